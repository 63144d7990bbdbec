"""Tables of the official adapter at any age become today's, every row kept."""

from typing import Final

from shopify_session_storage import SqlConnection
from shopify_session_storage.stored import COLUMNS

from shopify_session_storage_postgresql.connections import PostgreSQLConnections

# Types of the official adapter that are too narrow for encrypted tokens and dates after 2038.
_WIDER: Final = {"character varying": "text", "integer": "bigint"}

# Columns of 1.0, which were created without quotes.
_UNQUOTED: Final = ("isOnline", "accessToken", "onlineAccessInfo")


class PostgreSQLTables(PostgreSQLConnections):
    """The tables of a storage."""

    async def _existing_columns(self, connection: SqlConnection) -> dict[str, str]:
        columns = await connection.columns(self._table)
        if not columns and self._table != self._table.lower():
            # 1.0 of the official adapter did not quote the name of the table.
            columns = await connection.columns(self._table.lower())
            if "isonline" not in columns:
                return {}
        return columns

    async def _before_migration(self, connection: SqlConnection) -> None:
        identifier = self.dialect.identifier
        if self._schema is not None and not await connection.fetch(
            "SELECT 1 FROM pg_namespace WHERE nspname = $1", (self._schema,)
        ):
            await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(self._schema)}")
        if not await connection.columns(self._table) and await self._existing_columns(connection):
            old = self.dialect.qualified(self._schema, self._table.lower())
            await connection.execute(f"ALTER TABLE {old} RENAME TO {identifier(self._table)}")

    async def _upgrade_table(self, connection: SqlConnection, existing: dict[str, str]) -> None:
        identifier = self.dialect.identifier
        columns = dict(existing)
        for name in _UNQUOTED:
            if name not in columns and name.lower() in columns:
                await connection.execute(
                    f"ALTER TABLE {self._quoted} RENAME COLUMN {name.lower()} TO {identifier(name)}"
                )
                columns[name] = columns.pop(name.lower())
        changes = [
            f"ADD COLUMN {self._column_definition(name)}" for name in COLUMNS if name not in columns
        ]
        for name in COLUMNS[2:]:  # id and shop are as long as they may be
            wider = _WIDER.get(columns.get(name, "").partition("(")[0])
            if wider is not None:
                changes.append(f"ALTER COLUMN {identifier(name)} TYPE {wider}")
        if changes:
            await connection.execute(f"ALTER TABLE {self._quoted} {', '.join(changes)}")
        if "onlineAccessInfo" in columns:
            await connection.execute(
                f'UPDATE {self._quoted} SET "userId" = '
                """CAST(split_part("onlineAccessInfo", '.', 1) AS bigint) """
                """WHERE "onlineAccessInfo" ~ '^[0-9]{1,18}([.]0*)?$' AND "userId" IS NULL"""
            )
            await connection.execute(f'ALTER TABLE {self._quoted} DROP COLUMN "onlineAccessInfo"')
        index = self._shop_index()
        await connection.execute(f'CREATE INDEX IF NOT EXISTS {index} ON {self._quoted} ("shop")')
