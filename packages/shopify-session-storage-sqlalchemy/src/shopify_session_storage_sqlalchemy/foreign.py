"""Tables of Prisma and Drizzle: what their columns hold is decided by the table itself."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, TypeAlias

from shopify_session_storage import COLUMNS, Encodings, Kind, LiveColumn, sqlite_encodings
from shopify_session_storage.sql.layouts import (
    DIGITS,
    NATIVE,
    Advice,
    DatabaseName,
    Layout,
    RowMapping,
    choose_encodings,
    match_columns,
)
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    LargeBinary,
    MetaData,
    Table,
    Text,
    column,
    exc,
    inspect,
    select,
    table,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

from shopify_session_storage_sqlalchemy.schema import exists, is_found_by

_TYPES: Final[dict[Kind, TypeEngine[Any]]] = {
    Kind.TEXT: Text(),
    Kind.INTEGER: BigInteger(),
    Kind.BOOLEAN: Boolean(),
    Kind.TIMESTAMP: DateTime(),
    Kind.TIMESTAMP_WITH_ZONE: DateTime(timezone=True),
    Kind.BINARY: LargeBinary(),
}


Found: TypeAlias = tuple[Sequence[Column[Any] | None], RowMapping]
"""The columns in the order of ``COLUMNS``, in types that hand values on as they are, None where the
table has none; and how sessions are its rows."""


def advice_for(connection: Connection, layout: Layout, given: Table, leases: Table) -> Advice:
    """Return what words the lines that the table lacks."""
    preparer = connection.dialect.identifier_preparer
    kind: DatabaseName = "mysql" if _is_mysql(connection) else "sqlite"
    return Advice(
        layout=layout,
        database="postgresql" if connection.dialect.name == "postgresql" else kind,
        name=given.name,
        table=preparer.format_table(given),
        leases_name=leases.name,
        leases=preparer.format_table(leases),
        quote=preparer.initial_quote,
        key_type="TEXT" if not _is_mysql(connection) else "VARCHAR(255)",
    )


def look_at(connection: Connection, layout: Layout, given: Table, leases: Table) -> Found:
    """Look at a table.

    Args:
        connection: A connection.
        layout: Whose table it is.
        given: Its name and schema; its columns are those of the database, whatever is declared.
        leases: The table of leases.

    Raises:
        MigrationError: If sessions cannot be kept in it, with the lines to add.
    """
    advice = advice_for(connection, layout, given, leases)
    there, live = _matched(connection, given, advice)
    known = _encodings(connection, layout, there.columns[live["expires"].name])
    mapping = RowMapping.of(live, choose_encodings(live, known, advice), advice)
    columns = {name: Column(one.name, _TYPES[mapping.kinds[name]]) for name, one in live.items()}
    Table(there.name, MetaData(), *columns.values(), schema=there.schema)
    return [columns.get(name) for name in COLUMNS], mapping


def additions(connection: Connection, layout: Layout, given: Table, leases: Table) -> str:
    """Return the SQL for all that somebody may want to add; empty if it is there.

    Raises:
        MigrationError: If sessions cannot be kept in the table, with the lines to add.
    """
    advice = advice_for(connection, layout, given, leases)
    there, live = _matched(connection, given, advice)
    return advice.additions(
        live,
        has_index=is_found_by(connection, there.columns[live["shop"].name]),
        has_leases=exists(connection, leases),
    )


def _matched(
    connection: Connection, given: Table, advice: Advice
) -> tuple[Table, dict[str, LiveColumn]]:
    """Return the table as it stands, and which of its columns is which."""
    there = Table(given.name, MetaData(), schema=given.schema)
    with suppress(exc.NoSuchTableError):
        inspect(connection).reflect_table(there, None)
    return there, match_columns([_live(connection, one) for one in there.columns], advice)


def _is_mysql(connection: Connection) -> bool:
    return connection.dialect.name in ("mysql", "mariadb")


def _live(connection: Connection, given: Column[Any]) -> LiveColumn:
    words = given.type.compile(dialect=connection.dialect)
    live = LiveColumn.declared(
        given.name,
        re.split(r" CHARACTER SET | COLLATE ", words, maxsplit=1)[0],
        nullable=bool(given.nullable),
        has_default=given.server_default is not None or given is given.table.autoincrement_column,
        precision=0 if _is_mysql(connection) else 3,
    )
    if connection.dialect.name == "sqlite":  # keeps to none of the limits that a type states
        return replace(live, length=None, largest=None)
    if isinstance(given.type, mysql.TIMESTAMP):
        return replace(live, ends_2038=True)
    return live


def _encodings(connection: Connection, layout: Layout, expires: Column[Any]) -> Encodings:
    if connection.dialect.name == "postgresql":
        return NATIVE
    if _is_mysql(connection):
        return DIGITS
    # Prisma writes dates as text or as milliseconds, as its client is set up: as in the newest row.
    rowid: ColumnElement[Any] = column("_rowid_")
    date: ColumnElement[Any] = column(expires.name)
    newest = select(date).select_from(table(expires.table.name)).where(date.is_not(None))
    value = connection.scalar(newest.order_by(rowid.desc()).limit(1))
    return sqlite_encodings(
        layout.date_suffix, integer_dates=layout.integer_dates and isinstance(value, int)
    )
