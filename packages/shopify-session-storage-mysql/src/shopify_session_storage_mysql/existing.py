"""What an existing table must have, and what it lacks."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

# Both compare code point by code point and do not ignore trailing spaces. MariaDB has the first
# one, MySQL the second.
EXACT_COLLATIONS: Final = ("utf8mb4_nopad_bin", "utf8mb4_0900_bin")

KEYS: Final = ("id", "shop")
_NUMBERS: Final = ("expires", "refreshTokenExpires", "userId")
_FLAGS: Final = ("isOnline", "emailVerified", "accountOwner", "collaborator")
_NARROW_NUMBERS: Final = ("tinyint", "smallint", "mediumint", "int")
_WIDE_TEXTS: Final = ("mediumtext", "longtext")
_LONGEST_KEY: Final = 768  # characters of four bytes in an index of InnoDB


def is_wide(name: str, declared: str) -> bool:
    """Tell whether a column holds all that it must.

    Args:
        name: The column.
        declared: Its type and, after COLLATE, its collation.
    """
    if name in _FLAGS:
        return True
    type, _, collation = declared.partition(" COLLATE ")
    collation = collation.rpartition(" COLLATE ")[2]
    if name in KEYS:
        return collation in EXACT_COLLATIONS and _varchar_length(type) >= 255
    if name in _NUMBERS:
        return type.partition("(")[0].partition(" ")[0] not in _NARROW_NUMBERS
    return type in _WIDE_TEXTS and collation.startswith("utf8mb4_")


def widened(name: str, declared: str, definition: str) -> str:
    """Return the definition that a column is to get: one of ours, but never a shorter key."""
    length = _varchar_length(declared)
    if name in KEYS and 255 < length <= _LONGEST_KEY:
        return definition.replace("varchar(255)", f"varchar({length})")
    return definition


def _varchar_length(declared: str) -> int:
    """Return the length of a varchar; 0 for another type."""
    match = re.match(r"varchar\((\d+)\)", declared)
    return int(match[1]) if match else 0


class Indexes:
    """The indexes of a table.

    Args:
        rows: What SHOW INDEX gives.
    """

    def __init__(self, rows: Iterable[Sequence[Any]]) -> None:
        self._columns: dict[str, list[tuple[str, bool]]] = {}
        self._unique: set[str] = set()
        for _, non_unique, name, _, column, _, _, part, *_ in rows:
            self._columns.setdefault(name, []).append((str(column).lower(), part is None))
            if not int(non_unique):
                self._unique.add(name)

    def has_unique(self, column: str) -> bool:
        """Tell whether no value of a column can be there twice."""
        whole = [(column.lower(), True)]
        return any(self._columns[name] == whole for name in self._unique)

    def has(self, column: str) -> bool:
        """Tell whether rows are found by a column."""
        return any(columns[0][0] == column.lower() for columns in self._columns.values())

    def free_name(self, wanted: str) -> str:
        """Return *wanted*, or a name like it if another index has it."""
        taken = {name.lower() for name in self._columns}
        names = (wanted, *(f"{wanted[:60]}_{number}" for number in range(2, 99)))
        return next(name for name in names if name.lower() not in taken)


def missing_columns(existing: Mapping[str, str], wanted: Iterable[str]) -> list[str]:
    """Return which of the *wanted* columns are not there."""
    return [name for name in wanted if name not in existing]


def narrow_columns(existing: Mapping[str, str], wanted: Iterable[str]) -> list[str]:
    """Return which of the *wanted* columns are there, but cannot hold what they must."""
    return [name for name in wanted if name in existing and not is_wide(name, existing[name])]
