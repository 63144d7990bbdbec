"""The tables of a storage in an SQL database: how they are found, created and upgraded."""

import asyncio
import re
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import ClassVar, Final

from shopify_session_storage.errors import MigrationError
from shopify_session_storage.failures import Verdict
from shopify_session_storage.migrations import (
    MigrationOperation,
    RdbmsSessionStorageMigrator,
    SqlConnection,
)
from shopify_session_storage.sql.foreign import ForeignTables
from shopify_session_storage.sql.planning import Recorder
from shopify_session_storage.stored import COLUMNS

_REQUIRED: Final = ("id", "shop", "state", "isOnline")
_INTEGERS: Final = ("expires", "refreshTokenExpires", "userId")
_MIGRATION_PAUSES: Final = (0.05, 0.2, 0.5, 1)
_NOT_A_NUMBER: Final = re.compile("date|time|text|char|blob", re.IGNORECASE)
_FLAGS: Final = ("isOnline", "emailVerified", "accountOwner", "collaborator")


class SqlTables(ForeignTables):
    """The tables of an SQL storage: one of sessions, one of leases, one of applied migrations.

    The table of leases is created together with the table of sessions. In a database that was set
    up before there were leases it is created by the first one, so that an app that uses none
    needs no right to create it.

    Attributes:
        race_errors: What a migration raises when another program, which does not know our lock,
            creates the same tables at the same moment; it is tried again.
    """

    race_errors: ClassVar[tuple[type[Exception], ...]] = ()

    @abstractmethod
    def _connection(self) -> AbstractAsyncContextManager[SqlConnection]:
        """Give a connection to look at the tables with."""

    @abstractmethod
    def _migration_connection(self) -> AbstractAsyncContextManager[SqlConnection]:
        """Give a connection on which no other process migrates at the same time.

        What is done on it takes effect as a whole where the database can do that.
        """

    @abstractmethod
    async def _upgrade_table(self, connection: SqlConnection, existing: dict[str, str]) -> None:
        """Turn a table made by the official adapter at any age into today's, keeping every row.

        Repeatable, because a process can die half-way.

        Args:
            connection: The connection that is migrating.
            existing: The declared types of the table's columns, by their names.
        """

    def _is_denied(self, error: BaseException | None) -> bool:
        """Tell whether the database refused because the user lacks a right."""
        return isinstance(error, Exception) and self._verdict_of(error) is Verdict.DENIED

    def _is_race(self, error: Exception) -> bool:
        """Tell whether another program has changed the same tables at the same moment."""
        return isinstance(error, self.race_errors)

    async def _plan(self) -> str:
        async with self._connection() as connection:
            return await self._planned_sql(connection)

    async def _open(self) -> None:
        self._has_leases = False  # until one looks
        await self._open_connections()
        async with self._connection() as connection:
            if not self._layout.owned:
                await self._bind(connection)
                return
            if await self._is_migrated(connection):
                return  # without having asked for any right to create or alter
        await self._change_tables(self._migrate)

    async def _change_tables(self, work: Callable[[SqlConnection], Awaitable[None]]) -> None:
        """Do *work* while no other process migrates.

        Raises:
            MigrationError: If the user lacks a right for it; with the SQL to run.
        """
        try:
            for pause in _MIGRATION_PAUSES:
                try:
                    async with self._migration_connection() as connection:
                        await work(connection)
                except self._failures as error:
                    if not self._is_race(error):
                        raise
                else:
                    return
                await asyncio.sleep(pause)
            async with self._migration_connection() as connection:
                await work(connection)
        except self._failures as error:
            if not (self._is_denied(error) or self._is_denied(error.__cause__)):
                raise
            async with self._connection() as connection:
                sql = await self._planned_sql(connection)
            raise MigrationError(
                f"{self.backend}: the user may not create or alter the tables; "
                f"run this as a user who may:\n{sql}"
            ) from error

    async def _planned_sql(self, connection: SqlConnection) -> str:
        if not self._layout.owned:
            return await self._foreign_sql(connection)
        recorder = Recorder(connection)
        if await self._is_migrated(connection):
            await self._create_leases(recorder)
        else:
            await self._migrate(recorder)
        return "".join(f"{sql};\n" for sql in dict.fromkeys(recorder.statements))

    async def _is_migrated(self, connection: SqlConnection) -> bool:
        """Tell whether there is nothing to migrate, without writing anything."""
        existing = await self._columns(connection)
        return existing.keys() >= set(COLUMNS) and await self._migrator(connection).is_up_to_date()

    async def _migrate(self, connection: SqlConnection) -> None:
        """Create or upgrade the table, and record it for either language."""
        await self._before_migration(connection)
        existing = await self._columns(connection)
        if not existing:
            columns = ", ".join(self._column_definition(name) for name in COLUMNS)
            await connection.execute(
                f"CREATE TABLE {self._quoted} ({columns}){self.dialect.table_options}"
            )
            existing = dict.fromkeys(COLUMNS, "")
        # Not a matter of what is recorded: one record may serve several tables, and a table may
        # have been restored from an old backup.
        await self._upgrade_table(connection, existing)
        await self._create_leases(connection)
        await self._migrator(connection).apply_migrations()

    async def _create_leases(self, connection: SqlConnection) -> None:
        """Create the table of leases if it does not exist."""
        # Asked first, because creating one that exists needs the right to create.
        if not await connection.columns(self._leases_table):
            key, integer = self._key_type(), self.dialect.integer_type
            await connection.execute(
                f"CREATE TABLE IF NOT EXISTS {self._quoted_leases} (name {key} NOT NULL "
                f"PRIMARY KEY, holder {key} NOT NULL, expires {integer} NOT NULL)"
                f"{self.dialect.table_options}"
            )

    async def _before_migration(self, connection: SqlConnection) -> None:
        """Do what must be done before the table is looked for."""

    def _migrator(self, connection: SqlConnection) -> RdbmsSessionStorageMigrator:
        names = (self._upgrade_name(), *self.dialect.javascript_migrations)
        return RdbmsSessionStorageMigrator(
            connection,
            self._migrator_options,
            [MigrationOperation(name, _done_already) for name in names],
            dialect=self.dialect,
            schema=self._schema,
        )

    def _upgrade_name(self) -> str:
        """Return our own name in the record; it has the table's, since one may serve several."""
        return f"python_upgrade_{self._table}"

    async def _columns(self, connection: SqlConnection) -> dict[str, str]:
        """Return the declared types of the table's columns, none if there is no table.

        Raises:
            MigrationError: If the table is one that this storage must leave alone.
        """
        columns = await self._existing_columns(connection)
        expires = columns.get("expires", "")
        if _NOT_A_NUMBER.search(expires):
            raise MigrationError(
                f"{self.backend}: the table {self._table} has another layout: its column expires "
                f"is {expires}, not an integer. If it is a table of Prisma or Drizzle, give "
                'layout="prisma" or layout="drizzle"; else give this storage a table of its own '
                "(session_table_name)"
            )
        return columns

    async def _existing_columns(self, connection: SqlConnection) -> dict[str, str]:
        columns = await connection.columns(self._table)
        if not self.dialect.ignores_column_case:
            return columns
        known = {name.lower(): name for name in (*COLUMNS, "onlineAccessInfo")}
        return {known.get(name.lower(), name): type for name, type in columns.items()}

    def _shop_index(self) -> str:
        """Return the quoted name of the index on ``shop``."""
        return self.dialect.identifier(self._derived_name("shop_index"))

    def _key_type(self) -> str:
        """Return the type of columns that are compared exactly."""
        return self.dialect.key_type

    def _column_definition(self, name: str) -> str:
        dialect = self.dialect
        type = dialect.text_type
        if name in ("id", "shop"):
            type = self._key_type()
        elif name in _INTEGERS:
            type = dialect.integer_type
        elif name in _FLAGS:
            type = dialect.boolean_type
        rest = " NOT NULL" if name in _REQUIRED else ""
        if name == "id":
            rest += " PRIMARY KEY"
        return f"{dialect.identifier(name)} {type}{rest}"

    async def _ensure_leases(self) -> None:
        """See that there is a table of leases; before the first lease since the storage opened."""
        async with self._connection() as connection:
            if not self._layout.owned:
                await self._check_leases(connection)
            missing = not await connection.columns(self._leases_table)
        if missing:
            await self._change_tables(self._create_leases)
        self._has_leases = True


async def _done_already(connection: SqlConnection) -> None:
    """Stand for a migration that the upgrade of the table has done."""
