"""Tables of Prisma and Drizzle, as they stand."""

from collections.abc import Sequence
from typing import Final

from shopify_session_storage import LiveColumn, MigrationError, SqlConnection

from shopify_session_storage_postgresql.connections import PostgreSQLConnections

_COLUMNS: Final = """
SELECT attname, format_type(atttypid, atttypmod), NOT attnotnull, atthasdef OR attidentity <> ''
FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
"""

# Whether a column has an index; one that makes it unique; and whether it is compared byte by byte.
# The last column came with PostgreSQL 12, hence the JSON.
_INDEXES: Final = """
SELECT coalesce(bool_or(indisvalid AND indpred IS NULL), false),
coalesce(bool_or(indisvalid AND indpred IS NULL AND indisunique AND indimmediate
    AND indnkeyatts = 1), false),
atttypid <> coalesce(to_regtype('citext'), 0) AND coalesce((SELECT
    (to_jsonb(c) ->> 'collisdeterministic')::boolean FROM pg_collation AS c
    WHERE c.oid = attcollation), true)
FROM pg_attribute LEFT JOIN pg_index ON indrelid = attrelid AND indkey[0] = attnum
WHERE attrelid = to_regclass($1) AND attname = $2 GROUP BY atttypid, attcollation
"""


class PostgreSQLForeignTables(PostgreSQLConnections):
    """A table that belongs to Prisma or Drizzle."""

    async def _live_columns(self, connection: SqlConnection) -> Sequence[LiveColumn]:
        return [
            LiveColumn.declared(name, type, nullable=nullable, has_default=has_default, precision=6)
            for name, type, nullable, has_default in await connection.fetch(
                _COLUMNS, (self._quoted,)
            )
        ]

    async def _check_unique(self, connection: SqlConnection, column: str) -> None:
        ((_, is_unique, is_exact),) = await connection.fetch(_INDEXES, (self._quoted, column))
        if not is_unique:
            raise MigrationError(
                f"postgresql: the table {self._table} has no primary key or unique index on "
                f"{column} alone, so a session could be stored twice; remove duplicate ids, if "
                "there are any, and run this:\n"
                f"ALTER TABLE {self._quoted} ADD PRIMARY KEY ({self.dialect.identifier(column)});"
            )
        if not is_exact:
            raise MigrationError(
                f"postgresql: the column {column} of the table {self._table} treats some "
                "different ids as the same, such as ids that differ only in case; run this:\n"
                f"ALTER TABLE {self._quoted} ALTER COLUMN "
                f'{self.dialect.identifier(column)} TYPE text COLLATE "default";'
            )

    async def _has_index(self, connection: SqlConnection, column: str) -> bool:
        ((has_index, _, _),) = await connection.fetch(_INDEXES, (self._quoted, column))
        return bool(has_index)
