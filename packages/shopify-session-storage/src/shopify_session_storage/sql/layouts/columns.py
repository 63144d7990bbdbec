"""The columns of a table as they are in the database."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self


class Kind(StrEnum):
    """The kind of values that a column holds."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    TIMESTAMP_WITH_ZONE = "timestamp with time zone"
    BINARY = "binary"
    OTHER = "other"


_KINDS: Final = {
    **dict.fromkeys(
        ("text", "tinytext", "mediumtext", "longtext", "varchar", "nvarchar", "char", "nchar",
         "character varying", "varying character", "native character", "clob", "citext",
         "string"),
        Kind.TEXT,
    ),
    **dict.fromkeys(
        ("integer", "int", "bigint", "smallint", "mediumint", "tinyint", "int2", "int4", "int8",
         "big int"),
        Kind.INTEGER,
    ),
    **dict.fromkeys(("boolean", "bool"), Kind.BOOLEAN),
    **dict.fromkeys(
        ("timestamp", "datetime", "timestamp without time zone"), Kind.TIMESTAMP
    ),
    **dict.fromkeys(
        ("timestamptz", "timestamp with time zone"), Kind.TIMESTAMP_WITH_ZONE
    ),
    **dict.fromkeys(
        ("blob", "tinyblob", "mediumblob", "longblob", "binary", "varbinary", "bytea"),
        Kind.BINARY,
    ),
}  # fmt: skip

_BITS: Final = {"tinyint": 8, "smallint": 16, "int2": 16, "mediumint": 24, "int": 32,
                "integer": 32, "int4": 32}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LiveColumn:
    """A column as it is in the database.

    Attributes:
        name: Its name in the database.
        type: Its type, in the database's words; for messages.
        kind: Which kind of values it holds.
        nullable: Whether it takes NULL.
        has_default: Whether the database fills it if an INSERT does not name it.
        length: How many characters it holds at most; None if there is no limit.
        size: How many bytes of UTF-8 it holds at most; None if there is no limit.
        largest: The largest number that it holds; None if every number of a session fits.
        precision: How many digits of a second's fraction it keeps.
        ends_2038: Whether it holds no dates after 2038-01-19, because it counts seconds in 31 bits.
    """

    name: str
    type: str
    kind: Kind
    nullable: bool = True
    has_default: bool = False
    length: int | None = None
    size: int | None = None
    largest: int | None = None
    precision: int = 3
    ends_2038: bool = False

    @classmethod
    def declared(
        cls,
        name: str,
        type: str,
        *,
        nullable: bool = True,
        has_default: bool = False,
        precision: int = 3,
    ) -> Self:
        """Make a column from its type, as SQLite, PostgreSQL or MySQL writes it.

        Args:
            name: Its name.
            type: Such as ``character varying(191)`` or ``timestamp(3) without time zone``.
            nullable: Whether it takes NULL.
            has_default: Whether the database fills it if an INSERT does not name it.
            precision: How many digits of a second's fraction a date keeps, if its type does not
                say.
        """
        words = re.sub(r"\([^)]*\)", "", type.lower()).split()
        unsigned = "unsigned" in words
        word = " ".join(one for one in words if one not in ("unsigned", "signed", "zerofill"))
        kind = _KINDS.get(word, Kind.OTHER)
        given = re.search(r"\((\d+)", type)
        number = int(given[1]) if given else None
        is_date = kind in (Kind.TIMESTAMP, Kind.TIMESTAMP_WITH_ZONE)
        return cls(
            name=name,
            type=type,
            kind=kind,
            nullable=nullable,
            has_default=has_default,
            length=number if kind is Kind.TEXT else None,
            largest=2 ** (_BITS[word] - (not unsigned)) - 1 if word in _BITS else None,
            precision=number if is_date and number is not None else precision,
        )
