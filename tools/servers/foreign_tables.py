"""The tables that Prisma and Drizzle make, in all variants that are in use, as SQL."""

from collections.abc import Mapping
from typing import Final, Literal

Database = Literal["sqlite", "postgresql", "mysql"]
Variant = Literal["V0", "V1", "V2", "V2t", "V3", "V3t"]
VARIANTS: Final[tuple[Variant, ...]] = ("V0", "V1", "V2", "V2t", "V3", "V3t")

# Of a template's first version, of the adapter's first one, of its fifth, of its eighth.
_FIRST: Final = ("id", "shop", "state", "isOnline", "scope", "expires", "accessToken", "userId")
_USER: Final = ("firstName", "lastName", "email", "accountOwner", "locale", "collaborator",
                "emailVerified")  # fmt: skip
_REFRESH: Final = ("refreshToken", "refreshTokenExpires")
_COLUMNS: Final[Mapping[Variant, tuple[str, ...]]] = {
    "V0": _FIRST,
    "V1": _FIRST,
    "V2": (*_FIRST, *_USER),
    "V2t": (*_FIRST, *_USER),
    "V3": (*_FIRST, *_USER, *_REFRESH),
    "V3t": (*_FIRST, *_USER, *_REFRESH),
}
_NOT_NULL: Final = ("id", "shop", "state", "isOnline", "accessToken")
_FLAGS: Final = ("isOnline", "accountOwner", "collaborator", "emailVerified")

# Text, long text, id, date, user's id, flag.
_TYPES: Final = {
    ("prisma", "sqlite"): ("TEXT", "TEXT", "TEXT", "DATETIME", "BIGINT", "BOOLEAN"),
    ("prisma", "postgresql"): ("TEXT", "TEXT", "TEXT", "TIMESTAMP(3)", "BIGINT", "BOOLEAN"),
    ("prisma", "mysql"): (
        "VARCHAR(191)", "TEXT", "VARCHAR(191)", "DATETIME(3)", "BIGINT", "BOOLEAN"
    ),
    ("drizzle", "sqlite"): ("text", "text", "text", "text", "blob", "integer"),
    ("drizzle", "postgresql"): ("text", "text", "text", "timestamp", "bigint", "boolean"),
    ("drizzle", "mysql"): ("text", "text", "varchar(255)", "timestamp NULL", "bigint", "boolean"),
}  # fmt: skip
_COLLATIONS: Final = {"prisma": "utf8mb4_unicode_ci", "drizzle": "utf8mb4_general_ci"}


def quoted(database: Database, name: str) -> str:
    """Return a name in quotes."""
    return f"`{name}`" if database == "mysql" else f'"{name}"'


def create_table(
    database: Database,
    layout: str,
    variant: Variant = "V3",
    *,
    name: str | None = None,
    names: Mapping[str, str] | None = None,
    types: Mapping[str, str] | None = None,
    without: tuple[str, ...] = (),
    extra: tuple[str, ...] = (),
    key: str = "PRIMARY KEY",
) -> str:
    """Return the SQL that makes a table.

    Args:
        database: For which kind of database.
        layout: ``"prisma"`` or ``"drizzle"``.
        variant: Which columns it has.
        name: Its name.
        names: Columns that are called otherwise.
        types: Columns that are of another type.
        without: Columns that it lacks.
        extra: Definitions of further columns.
        key: What makes the id unique.
    """
    text, long, id, date, user_id, flag = _TYPES[layout, database]
    definitions = []
    for column in _COLUMNS[variant]:
        if column in without:
            continue
        type = long if column == "scope" else text
        if column == "id":
            type = id
        elif column in ("expires", "refreshTokenExpires"):
            type = date
        elif column == "userId":
            type = "INTEGER" if variant == "V0" and layout == "prisma" else user_id
        elif column in _FLAGS:
            type = flag
        rest = " NOT NULL" if column in _NOT_NULL else ""
        if column == "id":
            rest = f" NOT NULL {key}"
        elif column == "isOnline":
            rest += " DEFAULT false"
        elif column == "accountOwner" and variant.endswith("t"):
            rest = " NOT NULL DEFAULT false"
        elif column in _FLAGS and variant.endswith("t"):
            rest = " DEFAULT false"
        called = quoted(database, (names or {}).get(column, column))
        definitions.append(f"{called} {(types or {}).get(column, type)}{rest}")
    table = quoted(database, name or {"prisma": "Session", "drizzle": "session"}[layout])
    end = f" DEFAULT CHARSET=utf8mb4 COLLATE={_COLLATIONS[layout]}" if database == "mysql" else ""
    return f"CREATE TABLE {table} ({', '.join([*definitions, *extra])}){end}"
