"""The tables in the database: created on request, and looked at before they are used."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Any, Final

from shopify_session_storage import MigrationError, Verdict
from sqlalchemy import Column, Connection, Index, Table, exc, inspect
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from shopify_session_storage_sqlalchemy.columns import columns_of
from shopify_session_storage_sqlalchemy.connections import Connections
from shopify_session_storage_sqlalchemy.errors import is_race, verdict_of

# Another process may be creating the same tables.
_PAUSES: Final = (0.05, 0.2, 0.5, 1.0, 2.0)


async def create_tables(connections: Connections, table: Table, leases: Table) -> None:
    """Create both tables and their indexes, as far as they do not exist.

    Raises:
        MigrationError: If the user may not; with the SQL to run.
    """

    def work(connection: Connection) -> None:
        for one in (table, leases):
            one.create(connection, checkfirst=True)
        for index in table.indexes:  # a process may have died before it
            index.create(connection, checkfirst=True)

    for pause in _PAUSES:
        try:
            return await connections.write(work)
        except exc.DBAPIError as error:
            if verdict_of(error) is Verdict.DENIED:
                failure = error
                break
            if not is_race(error):
                raise
        await asyncio.sleep(pause)
    else:
        return await connections.write(work)
    raise MigrationError(
        "sqlalchemy: the user may not create the tables; run this as a user who may:\n"
        f"{script(connections.dialect, table, leases)}"
    ) from failure


async def check_tables(
    connections: Connections, known: Sequence[Column[Any] | None], logger: logging.Logger
) -> None:
    """See that the table of sessions is as it is declared, as far as it matters.

    Raises:
        MigrationError: If it is not there, lacks a column, or could have a session twice; or if
            the database would cut what is too long.
    """
    columns = [column for column in known if column is not None]
    table = columns[0].table
    assert isinstance(table, Table)
    complaint = await connections.read(lambda connection: _complaint(connection, table, columns))
    if complaint is not None:
        raise MigrationError(f"sqlalchemy: {complaint}")
    if not await connections.read(lambda connection: is_found_by(connection, columns[1])):
        logger.warning(
            "sqlalchemy: the table %s has no index on %s, so each find_sessions_by_shop() "
            "reads all of it",
            table.fullname,
            columns[1].name,
        )


def script(dialect: Dialect, *tables: Table, indexes: Iterable[Index] = ()) -> str:
    """Return the SQL that creates tables with their indexes, and further indexes."""
    statements: list[CreateTable | CreateIndex] = [*map(CreateIndex, indexes)]
    for table in tables:
        statements.append(CreateTable(table))
        statements += map(CreateIndex, table.indexes)
    return "".join(f"{str(sql.compile(dialect=dialect)).strip()};\n" for sql in statements)


def missing(connection: Connection, table: Table, leases: Table) -> str:
    """Return the SQL that creates what is not there of both tables; empty if all is.

    Raises:
        MigrationError: If the table of sessions is there and lacks columns, or a key.
    """
    wanted = [one for one in (table, leases) if not exists(connection, one)]
    indexes: list[Index] = []
    if table not in wanted:
        if complaint := _complaint(connection, table, columns_of(table)):
            raise MigrationError(f"sqlalchemy: {complaint}")
        schema = connection.schema_for_object(table)
        there = {one["name"] for one in inspect(connection).get_indexes(table.name, schema)}
        indexes = [index for index in table.indexes if index.name not in there]
    return script(connection.dialect, *wanted, indexes=indexes)


def exists(connection: Connection, table: Table) -> bool:
    """Tell whether a table is there."""
    schema = connection.schema_for_object(table)
    return inspect(connection).has_table(table.name, schema=schema)


def _complaint(connection: Connection, table: Table, columns: Sequence[Column[Any]]) -> str | None:
    inspector, schema = inspect(connection), connection.schema_for_object(table)
    try:
        there = {column["name"] for column in inspector.get_columns(table.name, schema=schema)}
    except exc.NoSuchTableError:
        there = set()
    if not there:
        return (
            f"there is no table {table.fullname}: run your migrations, pass create=True, or run "
            f"this:\n{script(connection.dialect, table)}"
        )
    if missing := [column.name for column in columns if column.name not in there]:
        return (
            f"the table {table.fullname} has no column {', '.join(missing)}; migrate it. One of "
            "an older release of Shopify's JavaScript adapter is brought up to date by the Python "
            "adapter for its database"
        )
    key = inspector.get_pk_constraint(table.name, schema=schema)["constrained_columns"]
    unique = [
        *(one["column_names"] for one in inspector.get_unique_constraints(table.name, schema)),
        *(i["column_names"] for i in inspector.get_indexes(table.name, schema) if i["unique"]),
    ]
    if [columns[0].name] not in (key, *unique):
        return (
            f"the table {table.fullname} has no primary key, and nothing unique, on "
            f"{columns[0].name} alone, so a session could be stored twice"
        )
    if connection.dialect.name in ("mysql", "mariadb"):
        modes = connection.exec_driver_sql("SELECT @@sql_mode").scalar_one()
        if "STRICT_" not in modes and "TRADITIONAL" not in modes:
            return "the sql_mode of the engine's connections must have STRICT_TRANS_TABLES"
    return None


def is_found_by(connection: Connection, column: Column[Any]) -> bool:
    """Tell whether there is an index, or a key, that begins with *column*."""
    table: Any = column.table
    inspector, schema = inspect(connection), connection.schema_for_object(table)
    indexes = inspector.get_indexes(table.name, schema=schema)
    return any(index["column_names"][:1] == [column.name] for index in indexes)
