"""Tables of the official adapter at any age become today's, every row kept, its writers unhindered.

What takes a moment is done at once, in one transaction, and so is all else where the table is
small. On a large one the index is built online, and what would rewrite the table waits until
somebody says so.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
from shopify_session_storage import (
    COLUMNS,
    MigrationError,
    SessionStorageUnavailableError,
    SqlConnection,
)

from shopify_session_storage_postgresql.connections import Looking, transaction
from shopify_session_storage_postgresql.lending import AnyConnection
from shopify_session_storage_postgresql.tables import PostgreSQLTables, Steps

# Whoever waits for a lock on a table has everybody else wait behind him: so not for long. But after
# a second (deadlock_timeout) the server ends an autovacuum that is in the way.
_LOCK_MS: Final = (200, 200, 200, 200, 1500)
_OTHER_PROCESS_SECONDS: Final = 60
_BUILD_LOCK_SECONDS: Final = 15  # nobody waits behind who builds an index online
_POLL_SECONDS: Final = 0.1


def _lock_number(what: str) -> int:
    return int.from_bytes(hashlib.sha256(what.encode()).digest()[:8], signed=True)


_MIGRATION_LOCK: Final = _lock_number("shopify-session-storage migrations")


class PostgreSQLMigrations(PostgreSQLTables):
    """What is done to the tables of a storage."""

    _rewrite_large_tables: bool
    _tries = 0

    async def _is_migrated(self, connection: SqlConnection) -> bool:
        if not await super()._is_migrated(connection):
            return False
        # What stands outranks the record: a table may have been restored from an old backup.
        steps = await self._steps(connection, await self._existing_columns(connection))
        return not (steps.key or steps.moment or self._at_once(steps))

    def _at_once(self, steps: Steps) -> Sequence[str]:
        """Return what else may be done by a start."""
        if not steps.large:
            return [*steps.rewriting, *steps.index]
        return steps.rewriting if self._rewrite_large_tables else []

    async def _open(self) -> None:
        self._tries = 0
        busy: asyncpg.LockNotAvailableError | None = None
        try:
            await super()._open()
        except asyncpg.LockNotAvailableError as error:
            busy = error
        if not self._layout.owned:
            return
        async with self._connection() as connection:
            columns = await self._existing_columns(connection)
            steps = await self._steps(connection, columns)
        if busy is not None and not columns.keys() >= set(COLUMNS):
            raise busy
        self._check_key(steps)
        self._fit(columns)
        if steps.online and steps.large:
            await self._build_index(steps.online[-1])
        self._say_what_is_left(steps, is_busy=busy is not None)

    def _check_key(self, steps: Steps) -> None:
        if steps.key:
            raise MigrationError(
                f"postgresql: the table {self._table} has no primary key, so a session could be "
                "stored twice; it may be a copy. Remove duplicate ids, if there are any, and run "
                f"this:\n{_script(steps.key)}"
            )

    def _say_what_is_left(self, steps: Steps, *, is_busy: bool) -> None:
        left = [*steps.moment, *steps.rewriting, *([] if steps.large else steps.index)]
        if left and not self._warned:
            self._logger.warning(
                "postgresql: the table %s stays as it is, because %s; what does not fit its "
                "columns cannot be stored until %s:\n%s",
                self._table,
                "some transaction uses it all the time"
                if is_busy
                else "it is large, and nobody could use it while it is rewritten",
                "the next start succeeds, or you run this"
                if is_busy
                else "you run this, or pass rewrite_large_tables=True",
                _script(left),
            )
        self._warned = True

    @asynccontextmanager
    async def _migration_connection(self) -> AsyncIterator[SqlConnection]:
        limit = _LOCK_MS[min(self._tries, len(_LOCK_MS) - 1)]
        self._tries += 1
        begin = self._begin(statement_timeout=0, lock_timeout=limit)
        async with self._borrowed() as connection, transaction(connection, begin):
            looking = Looking(self, connection)
            # Asked for again and again, since who waits inside a statement stops those who build
            # an index online.
            for _ in range(int(_OTHER_PROCESS_SECONDS / _POLL_SECONDS)):
                ((locked,),) = await looking.fetch(
                    f"SELECT pg_try_advisory_xact_lock({_MIGRATION_LOCK})"
                )
                if locked:
                    break
                await asyncio.sleep(_POLL_SECONDS)
            else:
                raise SessionStorageUnavailableError(
                    "postgresql: another process has been changing the tables for "
                    f"{_OTHER_PROCESS_SECONDS} s"
                )
            yield looking
        self._tries = 0

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
        steps = await self._steps(connection, existing)
        if isinstance(connection, Looking):
            self._check_key(steps)
            todo = [*steps.moment, *self._at_once(steps)]
        else:  # written down for somebody, not done
            todo = [*steps.key, *steps.moment, *steps.rewriting]
            todo += steps.online if steps.large else steps.index
        for sql in todo:
            await connection.execute(sql)

    async def _planned_sql(self, connection: SqlConnection) -> str:
        sql = await super()._planned_sql(connection)
        if not self._layout.owned:
            return sql
        steps = await self._steps(connection, await self._existing_columns(connection))
        if sql or not (steps.large and (steps.rewriting or steps.online)):
            return sql
        return _script([*steps.rewriting, *steps.online])

    async def _build_index(self, sql: str) -> None:
        """Build the index while others go on reading and writing.

        It may take long, and wait for transactions that were there before. The storage works
        without it, too, if slowly, so what goes wrong is said and not raised.
        """
        try:
            async with self._borrowed() as connection:
                await self._build_index_on(connection, sql)
        except self.driver_errors as error:
            if self._is_denied(error):
                raise MigrationError(
                    "postgresql: the user may not create the index; run this as a user who may:"
                    f"\n{_script([sql])}"
                ) from error
            self._logger.warning(
                "postgresql: the index on shop could not be built (%s), so each "
                "find_sessions_by_shop() reads the whole table; the next start tries again, or "
                "you run this:\n%s",
                self._describe(error),
                _script([sql]),
            )

    async def _build_index_on(self, connection: AnyConnection, sql: str) -> None:
        if not self._behind_pooler:
            # Settings and lock are the session's, which ends with this.
            ((locked,),) = await connection.fetch(
                f"SELECT pg_try_advisory_lock({_lock_number(self._quoted)})"
            )
            if not locked:
                return  # another process builds it
            await connection.execute(
                f"SET statement_timeout = 0; SET lock_timeout = '{_BUILD_LOCK_SECONDS}s'"
            )
        try:
            async with transaction(connection, self._begin(lock_timeout=3000)):
                looking = Looking(self, connection)
                # Who builds an index online holds this lock, and his index looks broken meanwhile.
                await looking.execute(f"LOCK TABLE {self._quoted} IN SHARE UPDATE EXCLUSIVE MODE")
                steps = await self._steps(looking, await self._existing_columns(looking))
                for drop in steps.online[:-1]:
                    await looking.execute(drop)
            if steps.online:
                await connection.execute(steps.online[-1])
        finally:
            if not self._behind_pooler and not connection.is_closed():
                await connection.close(timeout=1)


def _script(statements: Sequence[str]) -> str:
    return "".join(f"{sql};\n" for sql in statements)
