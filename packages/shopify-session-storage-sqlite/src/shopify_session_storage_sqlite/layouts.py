"""Tables of Prisma and Drizzle: their columns, and which form their dates have."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from shopify_session_storage import (
    Encodings,
    Layout,
    LiveColumn,
    SqlConnection,
    sqlite_encodings,
)

# How many of the newest rows are looked at for one that has a date.
_NEWEST: Final = 1000


async def live_columns(connection: SqlConnection, table: str) -> Sequence[LiveColumn]:
    """Return the columns of a table; none if there is no table."""
    rows = await connection.fetch(
        'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)', (table,)
    )
    keys = sum(row[4] > 0 for row in rows)
    columns = []
    for name, type, not_null, default, key, hidden in rows:
        is_rowid = keys == 1 and key == 1 and type.upper() == "INTEGER"
        column = LiveColumn.declared(
            name,
            type,
            nullable=not not_null,
            has_default=default is not None or is_rowid or hidden > 1,  # or generated
        )
        # SQLite keeps to none of the limits that a type states.
        columns.append(replace(column, length=None, largest=None))
    return columns


async def encodings_of(
    connection: SqlConnection, layout: Layout, table: str, expires: LiveColumn
) -> Encodings:
    """Return what stands in the columns of a table.

    Prisma writes dates as text or as milliseconds, as its client is set up: as in the newest row
    that has one.

    Args:
        connection: A connection.
        layout: Whose table it is.
        table: Its quoted name.
        expires: The column of a date.
    """
    name = expires.name.replace('"', '""')
    is_integer = layout.integer_dates and await connection.fetch(
        f'SELECT 1 FROM (SELECT typeof(date) AS type FROM (SELECT "{name}" AS date FROM {table} '
        f"ORDER BY _rowid_ DESC LIMIT {_NEWEST}) WHERE date IS NOT NULL LIMIT 1) "
        "WHERE type = 'integer'"
    )
    return sqlite_encodings(layout.date_suffix, integer_dates=bool(is_integer))
