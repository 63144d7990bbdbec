"""Our tables, as Shopify's official adapters and ours for each database make them."""

from typing import Any, Final

from shopify_session_storage import COLUMNS, LayoutName
from shopify_session_storage.sql.layouts import layout_named
from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeEngine

from shopify_session_storage_sqlalchemy.models import MYSQL, leases_model, sessions_model

_FLAGS: Final = ("isOnline", "emailVerified", "accountOwner", "collaborator")
_INTEGERS: Final = ("expires", "refreshTokenExpires", "userId")
_OPTIONS: Final[dict[str, Any]] = {
    f"{dialect}_{option}": value
    for dialect in MYSQL
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


@compiles(_Exact, *MYSQL)
def _compile(_: _Exact, compiler: Any, **options: Any) -> str:
    collation = "utf8mb4_nopad_bin" if compiler.dialect.is_mariadb else "utf8mb4_0900_bin"
    return f"VARCHAR(255) CHARACTER SET utf8mb4 COLLATE {collation}"


def sessions_table(
    metadata: MetaData,
    name: str | None = None,
    *,
    layout: LayoutName = "shopify",
    schema: str | None = None,
) -> Table:
    """Declare the table of sessions, for Alembic or for ``metadata.create_all()``.

    With the layout ``"shopify"`` it is the table that the adapters for PostgreSQL, MySQL and SQLite
    create, so programs with any of these adapters can share it. With another layout it is the table
    that Prisma or Drizzle creates from the model in the README of Shopify's package. Declare it so
    that Alembic leaves it alone, and change what differs in your table:
    ``table.c.accountOwner.nullable = False``.

    Args:
        metadata: Where it is declared.
        name: Its name; None for that of the layout, such as ``shopify_sessions``.
        layout: Whose table it is: ``"shopify"``, ``"prisma"`` or ``"drizzle"``.
        schema: Its schema; None for the default.

    Raises:
        TypeError: If *layout* is not a str.
        ValueError: If there is no such layout.
    """
    known = layout_named(layout)
    if name is None:
        name = known.table
    if not known.owned:
        return sessions_model(metadata, known, name, schema)
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
    metadata: MetaData,
    name: str | None = None,
    *,
    layout: LayoutName = "shopify",
    schema: str | None = None,
) -> Table:
    """Declare the table of leases, by which only one of many processes refreshes an access token.

    Args:
        metadata: Where it is declared.
        name: Its name; None for the layout's table of sessions with ``_leases``, such as
            ``shopify_sessions_leases``. By default, a storage uses ``<its table>_leases``.
        layout: Whose table the table of sessions is: ``"shopify"``, ``"prisma"`` or ``"drizzle"``.
        schema: Its schema; None for the default.

    Raises:
        TypeError: If *layout* is not a str.
        ValueError: If there is no such layout.
    """
    known = layout_named(layout)
    if name is None:
        name = f"{known.table}_leases"
    if not known.owned:
        return leases_model(metadata, known, name, schema)
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
    return String(255).with_variant(_Exact(), *MYSQL)


def _text() -> TypeEngine[str]:
    return Text().with_variant(mysql.MEDIUMTEXT(charset="utf8mb4"), *MYSQL)


def _integer() -> TypeEngine[int]:
    return BigInteger()


def _flag() -> TypeEngine[bool]:
    return Boolean().with_variant(mysql.TINYINT(), *MYSQL).with_variant(Integer(), "sqlite")
