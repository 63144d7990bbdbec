"""The tables: found, created, and brought up to date from whatever the official adapter made.

Nobody is stopped for longer than a moment: columns and the index are added while others write, and
a large table is rewritten on somebody's word alone.
"""

import asyncio
import hashlib
import random
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiomysql
from shopify_session_storage import COLUMNS, MigrationError, SqlConnection

from shopify_session_storage_mysql import errors, statements
from shopify_session_storage_mysql.connections import OwnPool, UsersPool
from shopify_session_storage_mysql.errors import code_of
from shopify_session_storage_mysql.existing import (
    KEYS,
    Indexes,
    missing_columns,
    narrow_columns,
    widened,
)
from shopify_session_storage_mysql.layouts import MySQLForeignTables
from shopify_session_storage_mysql.statements import literal

# Of a table with fewer rows a rewrite takes a moment.
_LARGE: Final = 100_000

# How long to wait for another process that migrates.
_LOCK_SECONDS: Final = 600

# An ALTER TABLE waits until all transactions on the table have ended, and everybody else queues up
# behind it. So it waits for a second, lets them pass, and comes again.
_ALTER_ATTEMPTS: Final = 40
_ALTER_PAUSE: Final = 0.5


@dataclass(frozen=True)
class _Pending:
    """What has to be done to a table.

    Attributes:
        additions: Clauses of an ALTER TABLE that stops nobody.
        rewrites: Clauses of one that rewrites the table.
        moves_users: Whether user ids have to be moved to a column of their own.
    """

    additions: tuple[str, ...] = ()
    rewrites: tuple[str, ...] = ()
    moves_users: bool = False

    def rewriting(self) -> bool:
        return bool(self.rewrites) or self.moves_users


class MySQLTables(MySQLForeignTables):
    """The tables of a storage in MySQL or MariaDB."""

    _rewrite_large_tables = False
    _pool: OwnPool | UsersPool | None = None
    _database = ""
    # What somebody has to decide about, and whether that has been said.
    _deferred = _Pending()
    _has_warned = False

    async def _open(self) -> None:
        self._deferred = _Pending()
        await super()._open()
        if not self._layout.owned:
            return
        deferred = self._deferred
        self._tells_keys_apart = not any(
            self.dialect.identifier(name) in clause for name in KEYS for clause in deferred.rewrites
        )
        self._build_statements()
        if deferred.rewrites and not self._is_strict:
            raise MigrationError(
                f"mysql: the columns of {self._table} are too narrow for all values, and the "
                "aiomysql pool would cut them: set its sql_mode to one with STRICT_ALL_TABLES"
            )
        if deferred.rewriting() and not self._has_warned:
            self._has_warned = True
            self._logger.warning(
                "mysql: the table %s is large, and nobody could write to it while it is rewritten; "
                "so it stays as it is. What does not fit its columns cannot be stored until you "
                "run this, or pass rewrite_large_tables=True:\n%s",
                self._table,
                _script(self._statements_of(deferred)),
            )

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[SqlConnection]:
        assert self._pool is not None
        async with self._in_time(), self._pool.acquire() as connection:
            yield _Connection(self, connection)

    @asynccontextmanager
    async def _migration_connection(self) -> AsyncIterator[SqlConnection]:
        assert self._pool is not None
        async with self._pool.acquire() as connection:
            migrating = _Connection(self, connection)
            names = f"{self._database}\0{self._table}".encode()
            lock = f"shopify_sessions {hashlib.sha256(names).hexdigest()[:32]}"
            try:
                settings = await migrating.set_limits()
                # The server lets go of it when the connection ends, however that happens.
                rows = await migrating.fetch("SELECT GET_LOCK(%s, %s)", (lock, _LOCK_SECONDS))
                if rows[0][0] != 1:
                    raise MigrationError(
                        f"mysql: another process has been migrating for {_LOCK_SECONDS} seconds"
                    )
                yield migrating
                await migrating.fetch("SELECT RELEASE_LOCK(%s)", (lock,))
                await migrating.execute(f"SET SESSION {settings}")
            except BaseException:
                statements.drop(connection)
                raise

    def _is_race(self, error: BaseException | None) -> bool:
        return code_of(error) in errors.RACES

    async def _planned_sql(self, connection: SqlConnection) -> str:
        planned = await super()._planned_sql(connection)
        if not self._layout.owned:
            return planned
        return planned.replace("%%", "%") + _script(self._statements_of(self._deferred))

    def _upgrade_name(self) -> str:
        # The table of migrations may ignore case, or know no other characters.
        if re.fullmatch("[a-z0-9_]+", self._table):
            return super()._upgrade_name()
        return f"python_upgrade_{hashlib.sha256(self._table.encode()).hexdigest()[:32]}"

    async def _is_migrated(self, connection: SqlConnection) -> bool:
        # A table of the official adapter may have been restored since its upgrade was recorded,
        # and would confuse ids that differ in their case alone.
        existing = await self._columns(connection)
        if not existing:
            return False
        pending = await self._pending(connection, existing)
        return pending == _Pending() and await self._migrator(connection).is_up_to_date()

    async def _upgrade_table(self, connection: SqlConnection, existing: dict[str, str]) -> None:
        if not any(existing.values()):  # it has just been created
            await connection.execute(f"ALTER TABLE {self._quoted} {self._add_index()}")
            return
        pending = await self._pending(connection, existing)
        if pending.rewriting():
            for sql in self._statements_of(pending):
                await self._alter(connection, sql)
        elif pending.additions:
            clauses = ", ".join(pending.additions)
            sql = f"ALTER TABLE {self._quoted} {clauses}"
            try:
                await self._alter(connection, f"{sql}, ALGORITHM=INPLACE, LOCK=NONE")
            except aiomysql.MySQLError as error:
                if code_of(error) not in errors.NOT_ONLINE:
                    raise
                failure = error
            else:
                return
            # A table of MyISAM, for instance.
            if not await self._may_rewrite(connection):
                raise MigrationError(
                    f"mysql: the table {self._table} is large, and cannot be altered while others "
                    "write to it; pass rewrite_large_tables=True, or run this:\n"
                    f"{_script([sql])}"
                ) from failure
            await self._alter(connection, sql)

    async def _alter(self, connection: SqlConnection, sql: str) -> None:
        """Run a statement that needs the table for itself for a moment."""
        for _ in range(_ALTER_ATTEMPTS):
            try:
                await connection.execute(sql)
            except aiomysql.MySQLError as error:
                if code_of(error) != errors.LOCK_WAIT:
                    raise
            else:
                return
            await asyncio.sleep(random.uniform(_ALTER_PAUSE / 2, _ALTER_PAUSE))  # noqa: S311
        raise MigrationError(
            f"mysql: the table {self._table} cannot be altered: other transactions use it all the "
            "time"
        )

    def _statements_of(self, pending: _Pending) -> list[str]:
        """Return the statements that rewrite the table, once."""
        done = []
        if clauses := pending.additions + pending.rewrites:
            done.append(f"ALTER TABLE {self._quoted} {', '.join(clauses)}")
        if pending.moves_users:
            done.append(
                f"UPDATE {self._quoted} SET `userId` = "
                "CAST(SUBSTRING_INDEX(`onlineAccessInfo`, '.', 1) AS UNSIGNED) "
                "WHERE `onlineAccessInfo` REGEXP '^[0-9]{1,18}([.]0*)?$' AND `userId` IS NULL"
            )
            done.append(f"ALTER TABLE {self._quoted} DROP COLUMN `onlineAccessInfo`")
        return done

    async def _pending(self, connection: SqlConnection, existing: dict[str, str]) -> _Pending:
        """Return what has to be done now, and note what somebody has to decide about.

        Raises:
            MigrationError: If the table lacks what we must not add.
        """
        indexes = await self._indexes(connection)
        if not indexes.has_unique("id"):
            raise MigrationError(
                f"mysql: the table {self._table} has no primary key, so a session could be stored "
                "twice; it may be a copy. Remove duplicate ids, if there are any, and run this:"
                f"\n{_script([f'ALTER TABLE {self._quoted} ADD PRIMARY KEY (`id`)'])}"
            )
        additions = [
            f"ADD COLUMN {self._column_definition(name)}"
            for name in missing_columns(existing, COLUMNS)
        ]
        if not indexes.has("shop"):
            additions.append(self._add_index(indexes))
        rewrites = []
        narrow = narrow_columns(existing, COLUMNS)
        for name in narrow:
            definition = self._column_definition(name).removesuffix(" PRIMARY KEY")
            rewrites.append(f"MODIFY COLUMN {widened(name, existing[name], definition)}")
        if {*narrow} & {*KEYS}:
            # The index on a key in utf8mb4 is longer than older formats allow.
            rewrites += ["ENGINE=InnoDB", "ROW_FORMAT=DYNAMIC"]
        later = _Pending((), tuple(rewrites), "onlineAccessInfo" in existing)
        if later.rewriting() and not await self._may_rewrite(connection):
            self._deferred = later
            return _Pending(tuple(additions))
        self._deferred = _Pending()
        return _Pending(tuple(additions), later.rewrites, later.moves_users)

    async def _may_rewrite(self, connection: SqlConnection) -> bool:
        if self._rewrite_large_tables:
            return True
        # Counted, up to there: MySQL's own estimate may be a day old.
        few = f"SELECT 1 FROM {self._quoted} LIMIT {_LARGE}"
        rows = await connection.fetch(f"SELECT COUNT(*) FROM ({few}) AS few")
        return int(rows[0][0]) < _LARGE

    def _add_index(self, indexes: Indexes | None = None) -> str:
        name = self._derived_name("shop_index")
        if indexes is not None:
            name = indexes.free_name(name)
        return f"ADD INDEX {self.dialect.identifier(name)} (`shop`)"


class _Connection:
    """A connection as migrations use it."""

    def __init__(self, storage: MySQLTables, connection: Any) -> None:
        self._storage = storage
        self._connection = connection

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        await self.fetch(sql, parameters)

    async def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> Sequence[Sequence[Any]]:
        return await statements.run(self._connection, sql % tuple(map(literal, parameters)))

    async def columns(self, table: str) -> dict[str, str]:
        # Not information_schema, which on MariaDB ignores the case of the table's name.
        try:
            rows = await self.fetch(
                f"SHOW FULL COLUMNS FROM {self._storage.dialect.identifier(table)}"
            )
        except aiomysql.MySQLError as error:
            # Without any right on a table one is not told whether it exists.
            if code_of(error) in (errors.NO_SUCH_TABLE, errors.TABLE_DENIED):
                return {}
            raise
        return {row[0]: f"{row[1]} COLLATE {row[2]}" if row[2] else row[1] for row in rows}

    async def set_limits(self) -> str:
        """Wait for others for a second at most, and work for as long as it takes.

        Returns:
            The settings as they were.
        """
        # On MySQL a limit of queries would end the wait in GET_LOCK(), too.
        on_mariadb = "MariaDB" in self._connection.server_version
        limit = "max_statement_time" if on_mariadb else "max_execution_time"
        wanted = {"lock_wait_timeout": 1, limit: 0}
        try:
            old = await self._values(wanted)
        except aiomysql.MySQLError as error:
            if errors.verdict_of(error) is errors.LOST:
                raise
            del wanted[limit]  # a server of another kind, which does not know it
            old = await self._values(wanted)
        await self.execute(f"SET SESSION {_settings(wanted, wanted.values())}")
        return _settings(wanted, old)

    async def _values(self, names: Iterable[str]) -> Sequence[Any]:
        (row,) = await self.fetch(f"SELECT {', '.join(f'@@{name}' for name in names)}")
        return row


def _settings(names: Iterable[str], values: Iterable[object]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in zip(names, values, strict=True))


def _script(statements: Iterable[str]) -> str:
    return "".join(f"{sql.replace('%%', '%')};\n" for sql in statements)
