"""The tables of Prisma and Drizzle, as the models that Shopify's packages document make them."""

from typing import Any, Final

from shopify_session_storage import COLUMNS
from shopify_session_storage.sql.layouts import PRISMA, Layout
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
)
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.types import TypeEngine

MYSQL: Final = ("mysql", "mariadb")

_NOT_NULL: Final = ("id", "shop", "state", "isOnline", "accessToken")
_FLAGS: Final = ("isOnline", "emailVerified", "accountOwner", "collaborator")
_DATES: Final = ("expires", "refreshTokenExpires")


def sessions_model(metadata: MetaData, layout: Layout, name: str, schema: str | None) -> Table:
    """Declare the table of sessions that another program makes."""
    type = _prisma_type if layout is PRISMA else _drizzle_type
    columns: list[Column[Any]] = [
        Column(
            column,
            type(column),
            primary_key=column == "id",
            nullable=column not in _NOT_NULL,
            server_default=false() if column == "isOnline" else None,
        )
        for column in COLUMNS
    ]
    return Table(name, metadata, *columns, schema=schema)


def leases_model(metadata: MetaData, layout: Layout, name: str, schema: str | None) -> Table:
    """Declare the table of leases, as the lines for the schema of another program make it."""
    number: TypeEngine[Any] = BigInteger()
    if layout is not PRISMA:
        number = number.with_variant(Integer(), "sqlite")
    return Table(
        name,
        metadata,
        Column("name", _text(255), primary_key=True),
        Column("holder", _text(255), nullable=False),
        Column("expires", number, nullable=False),
        schema=schema,
    )


def _prisma_type(column: str) -> TypeEngine[Any]:
    if column in _DATES:
        return (
            DateTime()
            .with_variant(postgresql.TIMESTAMP(precision=3), "postgresql")
            .with_variant(mysql.DATETIME(fsp=3), *MYSQL)
        )
    if column in _FLAGS:
        return Boolean()
    if column == "userId":
        return BigInteger()
    return Text() if column == "scope" else _text(191)


def _drizzle_type(column: str) -> TypeEngine[Any]:
    if column in _DATES:
        return DateTime().with_variant(Text(), "sqlite").with_variant(mysql.TIMESTAMP(), *MYSQL)
    if column in _FLAGS:
        return Boolean().with_variant(Integer(), "sqlite")
    if column == "userId":
        return BigInteger().with_variant(LargeBinary(), "sqlite")
    return _text(255) if column == "id" else Text()


def _text(characters: int) -> TypeEngine[str]:
    """Return the type of texts that MySQL and MariaDB want a length for."""
    return Text().with_variant(String(characters), *MYSQL)
