"""Our tables, as Shopify's official adapters and ours for each database make them."""

from typing import Any, Final

from shopify_session_storage import COLUMNS
from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeEngine

SESSIONS: Final = "shopify_sessions"

_MYSQL: Final = ("mysql", "mariadb")
_FLAGS: Final = ("isOnline", "emailVerified", "accountOwner", "collaborator")
_INTEGERS: Final = ("expires", "refreshTokenExpires", "userId")
_OPTIONS: Final[dict[str, Any]] = {
    f"{dialect}_{option}": value
    for dialect in _MYSQL
    for option, value in (
        ("engine", "InnoDB"),
        ("row_format", "DYNAMIC"),
        ("default_charset", "utf8mb4"),
    )
}


class _Exact(mysql.VARCHAR):
    """Text that is compared code point by code point, with trailing spaces.

    MySQL and MariaDB have different collations for that.
    """

    # Alembic writes it into a migration as what it is, which needs no import of ours, and runs on
    # either server: each takes the comment that is meant for it as SQL.
    __module__ = mysql.VARCHAR.__module__

    def __init__(self) -> None:
        collation = "/*!80017 utf8mb4_0900_bin */ /*M!100200 utf8mb4_nopad_bin */"
        super().__init__(255, charset="utf8mb4", collation=collation)


_Exact.__name__ = mysql.VARCHAR.__name__


@compiles(_Exact, *_MYSQL)
def _compile(_: _Exact, compiler: Any, **options: Any) -> str:
    collation = "utf8mb4_nopad_bin" if compiler.dialect.is_mariadb else "utf8mb4_0900_bin"
    return f"VARCHAR(255) CHARACTER SET utf8mb4 COLLATE {collation}"


def sessions_table(metadata: MetaData, name: str = SESSIONS, *, schema: str | None = None) -> Table:
    """Declare the table of sessions, for Alembic or for ``metadata.create_all()``.

    It is the table that the adapters for PostgreSQL, MySQL and SQLite make: each program may use
    it by whichever adapter.

    Args:
        metadata: Where it is declared.
        name: Its name.
        schema: Its schema; None for the default.
    """
    columns: list[Column[Any]] = [
        Column("id", _key(), primary_key=True),
        Column("shop", _key(), nullable=False),
    ]
    for column in COLUMNS[2:]:
        type = _flag() if column in _FLAGS else _integer() if column in _INTEGERS else _text()
        columns.append(Column(column, type, nullable=column not in ("state", "isOnline")))
    table = Table(name, metadata, *columns, schema=schema, **_OPTIONS)
    Index(f"{name}_shop_index", table.c.shop)
    return table


def leases_table(
    metadata: MetaData, name: str = f"{SESSIONS}_leases", *, schema: str | None = None
) -> Table:
    """Declare the table of leases, which make one process of many refresh an access token.

    Args:
        metadata: Where it is declared.
        name: Its name. A storage looks for ``<its table>_leases`` by itself.
        schema: Its schema; None for the default.
    """
    return Table(
        name,
        metadata,
        Column("name", _key(), primary_key=True),
        Column("holder", _key(), nullable=False),
        Column("expires", _integer(), nullable=False),
        schema=schema,
        **_OPTIONS,
    )


def _key() -> TypeEngine[str]:
    return String(255).with_variant(_Exact(), *_MYSQL)


def _text() -> TypeEngine[str]:
    return Text().with_variant(mysql.MEDIUMTEXT(charset="utf8mb4"), *_MYSQL)


def _integer() -> TypeEngine[int]:
    return BigInteger()


def _flag() -> TypeEngine[bool]:
    return Boolean().with_variant(mysql.TINYINT(), *_MYSQL).with_variant(Integer(), "sqlite")
