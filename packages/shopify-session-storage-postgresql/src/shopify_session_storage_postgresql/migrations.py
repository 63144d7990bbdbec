"""Tables of the official adapter at any age become today's, every row kept, its writers unhindered.

What takes a moment is done at once, in one transaction, and so is all else where the table is
small. On a large one the index is built online, and what would rewrite the table waits until
somebody says so.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import asyncpg
from shopify_session_storage import (
    COLUMNS,
    MigrationError,
    SessionStorageUnavailableError,
    SqlConnection,
)
from shopify_session_storage.sql.planning import Recorder

from shopify_session_storage_postgresql.connections import (
    AnyConnection,
    Looking,
    PostgreSQLConnections,
    transaction,
)

_SMALL: Final = 100_000  # rows; to rewrite fewer takes a moment

# Types of the official adapter that are too narrow for encrypted tokens and dates after 2038. The
# server changes the first one without a look at the rows, and rewrites the table for the second.
_LONGER: Final = {"character varying": "text"}
_WIDER: Final = {"integer": "bigint"}

# Columns of 1.0, which were created without quotes.
_UNQUOTED: Final = ("isOnline", "accessToken", "onlineAccessInfo")

# Whoever waits for a lock on a table has everybody else wait behind him: so not for long.
_LOCK_MS: Final = 500
_OTHER_PROCESS_SECONDS: Final = 60
_BUILD_LOCK_SECONDS: Final = 15  # nobody waits behind who builds an index online
_POLL_SECONDS: Final = 0.1


def _lock_number(what: str) -> int:
    return int.from_bytes(hashlib.sha256(what.encode()).digest()[:8], signed=True)


_MIGRATION_LOCK: Final = _lock_number("shopify-session-storage migrations")

_LOOK: Final = """
SELECT EXISTS (SELECT FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
    WHERE indrelid = of.oid AND attname = 'id' AND indisunique AND indisvalid AND indimmediate
    AND indpred IS NULL AND indnkeyatts = 1),
EXISTS (SELECT FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
    WHERE indrelid = of.oid AND attname = 'shop' AND indisvalid AND indpred IS NULL),
ARRAY (SELECT format('%I.%I', nspname, relname)
    FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
    JOIN pg_class AS class ON class.oid = indexrelid
    JOIN pg_namespace AS space ON space.oid = relnamespace
    WHERE indrelid = of.oid AND attname = 'shop' AND NOT indisvalid),
to_regclass($2) IS NOT NULL AND NOT EXISTS (SELECT FROM pg_index
    JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
    WHERE indexrelid = to_regclass($2) AND indrelid = of.oid AND attname = 'shop'),
reltuples
FROM pg_class AS of WHERE of.oid = to_regclass($1)
"""


@dataclass
class _Steps:
    """What is to be done to a table, as SQL.

    Attributes:
        key: What only its owner can decide: there may be duplicates.
        moment: What takes a moment on any table.
        rewriting: What rewrites the table, or many of its rows.
        index: What makes the index on ``shop``, and drops what is left of a build that was killed.
        online: The same, on a table that is large.
        large: Whether it is.
    """

    key: list[str] = field(default_factory=list)
    moment: list[str] = field(default_factory=list)
    rewriting: list[str] = field(default_factory=list)
    index: list[str] = field(default_factory=list)
    online: list[str] = field(default_factory=list)
    large: bool = False


class PostgreSQLTables(PostgreSQLConnections):
    """The tables of a storage."""

    _rewrite_large_tables: bool
    _given_schema: str | None
    _warned = False

    # --- what stands ------------------------------------------------------------------------

    async def _look_around(self, connection: AnyConnection) -> None:
        """Fix the schema of the tables, which another client of a pooler may change behind us."""
        names = [self._table, self._table.lower()]
        async with transaction(connection, self._begin()):
            looking = Looking(self, connection)
            if self._behind_pooler:
                await looking.execute("SET LOCAL search_path TO DEFAULT")
            ((schema, encoding),) = await looking.fetch(
                "SELECT coalesce((SELECT nspname FROM unnest($1::text[]) WITH ORDINALITY AS "
                "one (name, place) JOIN pg_class ON pg_class.oid = to_regclass(quote_ident(name)) "
                "JOIN pg_namespace ON pg_namespace.oid = relnamespace ORDER BY place LIMIT 1), "
                "current_schema()), current_setting('server_encoding')",
                (names,),
            )
        self._use_schema(schema if self._given_schema is None else self._given_schema)
        if encoding != "UTF8" and not self._warned:
            self._logger.warning(
                "postgresql: the encoding of the database is %s, not UTF8: a session with a "
                "character that it lacks cannot be stored",
                encoding,
            )

    def _use_schema(self, schema: str | None) -> None:
        self._schema = schema
        self._quoted = self.dialect.qualified(schema, self._table)
        self._quoted_leases = self.dialect.qualified(schema, self._leases_table)
        self._build_statements()

    async def _existing_columns(self, connection: SqlConnection) -> dict[str, str]:
        columns = await connection.columns(self._table)
        if not columns and self._table != self._table.lower():
            # 1.0 of the official adapter did not quote the name of the table.
            columns = await connection.columns(self._table.lower())
            if "isonline" not in columns:
                return {}
        return columns

    async def _is_migrated(self, connection: SqlConnection) -> bool:
        if not await super()._is_migrated(connection):
            return False
        # What stands outranks the record: a table may have been restored from an old backup.
        steps = await self._steps(connection, await self._existing_columns(connection))
        return not (steps.key or steps.moment or self._at_once(steps))

    def _at_once(self, steps: _Steps) -> Sequence[str]:
        """Return what else may be done by a start."""
        if not steps.large:
            return [*steps.rewriting, *steps.index]
        return steps.rewriting if self._rewrite_large_tables else []

    async def _steps(self, connection: SqlConnection, existing: dict[str, str]) -> _Steps:
        identifier = self.dialect.identifier
        alter = f"ALTER TABLE {self._quoted} "
        steps = _Steps()
        columns = dict(existing)
        for name in _UNQUOTED:
            if name not in columns and name.lower() in columns:
                steps.moment.append(f"{alter}RENAME COLUMN {name.lower()} TO {identifier(name)}")
                columns[name] = columns.pop(name.lower())

        def retyped(types: dict[str, str]) -> list[str]:
            kinds = {name: columns.get(name, "").partition("(")[0] for name in COLUMNS[2:]}
            return [
                f"ALTER COLUMN {identifier(name)} TYPE {types[kind]}"
                for name, kind in kinds.items()  # id and shop are as long as they may be
                if kind in types
            ]

        added = [f"ADD COLUMN {self._column_definition(n)}" for n in COLUMNS if n not in columns]
        if changes := added + retyped(_LONGER):
            steps.moment.append(alter + ", ".join(changes))
        if changes := retyped(_WIDER):
            steps.rewriting.append(alter + ", ".join(changes))
        if "onlineAccessInfo" in columns:
            steps.rewriting.append(
                f'UPDATE {self._quoted} SET "userId" = '
                """CAST(split_part("onlineAccessInfo", '.', 1) AS bigint) """
                """WHERE "onlineAccessInfo" ~ '^[0-9]{1,18}([.]0*)?$' AND "userId" IS NULL"""
            )
            steps.rewriting.append(f'{alter}DROP COLUMN "onlineAccessInfo"')
        await self._look_at_indexes(connection, steps)
        return steps

    async def _look_at_indexes(self, connection: SqlConnection, steps: _Steps) -> None:
        index = self.dialect.qualified(self._schema, self._derived_name("shop_index"))
        on = f'{{}} ON {self._quoted} ("shop")'
        named = on.format(f"IF NOT EXISTS {self._shop_index()}")
        found = await connection.fetch(_LOOK, (self._quoted, index))
        if not found:  # a table that is about to be created, or to be renamed
            steps.index.append(f"CREATE INDEX {named}")
            return
        ((has_key, has_index, broken, is_taken, estimate),) = found
        if not has_key:
            steps.key.append(f'ALTER TABLE {self._quoted} ADD PRIMARY KEY ("id")')
        if not has_index:
            # Where something else has the name, the server makes one up.
            named = on.format("") if is_taken and index not in broken else named
            dropped = [f"DROP INDEX {name}" for name in broken]
            steps.index += [*dropped, f"CREATE INDEX {named}"]
            steps.online += [*dropped, f"CREATE INDEX CONCURRENTLY {named}"]
        if steps.rewriting or steps.index:
            steps.large = await self._is_large(connection, estimate)

    async def _is_large(self, connection: SqlConnection, estimate: float) -> bool:
        if estimate >= _SMALL:
            return True
        # There may be no estimate yet, or an old one.
        ((rows,),) = await connection.fetch(
            f"SELECT count(*) FROM (SELECT FROM {self._quoted} LIMIT {_SMALL}) AS first"
        )
        return bool(rows >= _SMALL)

    # --- what is done -----------------------------------------------------------------------

    async def _open(self) -> None:
        busy: asyncpg.LockNotAvailableError | None = None
        try:
            await super()._open()
        except asyncpg.LockNotAvailableError as error:
            busy = error
        async with self._connection() as connection:
            columns = await self._existing_columns(connection)
            steps = await self._steps(connection, columns)
        if busy is not None and not columns.keys() >= set(COLUMNS):
            raise busy
        self._check_key(steps)
        if steps.online and steps.large:
            await self._build_index(steps.online[-1])
        self._say_what_is_left(steps, is_busy=busy is not None)

    def _check_key(self, steps: _Steps) -> None:
        if steps.key:
            raise MigrationError(
                f"postgresql: the table {self._table} has no primary key, so that a session could "
                "be there twice; it may be a copy. Have somebody look for ids that are there "
                f"twice, and run this:\n{_script(steps.key)}"
            )

    def _say_what_is_left(self, steps: _Steps, *, is_busy: bool) -> None:
        left = [*steps.moment, *steps.rewriting, *([] if steps.large else steps.index)]
        if left and not self._warned:
            self._logger.warning(
                "postgresql: the table %s stays as it is, since %s; what does not fit its columns "
                "cannot be stored until %s:\n%s",
                self._table,
                "some transaction uses it all the time"
                if is_busy
                else "it is large and would be rewritten, while nobody else can use it",
                "the next start succeeds, or somebody runs this"
                if is_busy
                else "somebody runs this, or gives rewrite_large_tables=True",
                _script(left),
            )
        self._warned = True

    @asynccontextmanager
    async def _migration_connection(self) -> AsyncIterator[SqlConnection]:
        begin = self._begin(statement_timeout=0, lock_timeout=_LOCK_MS)
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
        if isinstance(connection, Recorder):
            todo = [*steps.key, *steps.moment, *steps.rewriting]
            todo += steps.online if steps.large else steps.index
        else:
            self._check_key(steps)
            todo = [*steps.moment, *self._at_once(steps)]
        for sql in todo:
            await connection.execute(sql)

    async def _planned_sql(self, connection: SqlConnection) -> str:
        sql = await super()._planned_sql(connection)
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
                    "postgresql: the user may not create the index; have somebody run this who "
                    f"may:\n{_script([sql])}"
                ) from error
            self._logger.warning(
                "postgresql: the index on shop could not be built (%s), so that each "
                "find_sessions_by_shop() reads the whole table; the next start tries again, or "
                "somebody runs this:\n%s",
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
