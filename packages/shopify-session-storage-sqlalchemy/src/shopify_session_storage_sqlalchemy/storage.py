"""Sessions in a table of any database that SQLAlchemy reaches, on an engine of the user's."""

import os
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Final

from shopify_session_storage import (
    DEFAULT_TIMEOUT,
    LayoutName,
    MigrationError,
    OnError,
    Session,
    SessionPage,
    TableSessionStorage,
    Verdict,
    page_of,
)
from shopify_session_storage.sql.layouts import layout_named
from sqlalchemy import Column, Connection, MetaData, Table, exc, select
from sqlalchemy.ext.asyncio import AsyncEngine

from shopify_session_storage_sqlalchemy import errors
from shopify_session_storage_sqlalchemy.columns import columns_of, mapping_of, table_of
from shopify_session_storage_sqlalchemy.connections import Connections
from shopify_session_storage_sqlalchemy.foreign import Found, additions, advice_for, look_at
from shopify_session_storage_sqlalchemy.reading import rows_of
from shopify_session_storage_sqlalchemy.schema import check_tables, create_tables, missing, script
from shopify_session_storage_sqlalchemy.statements import Statements, dotted, expected_row
from shopify_session_storage_sqlalchemy.tables import leases_table, sessions_table

_DIALECTS: Final = ("postgresql", "mysql", "mariadb", "sqlite")


class SQLAlchemySessionStorage(TableSessionStorage):
    """Keeps sessions in a table, over the connections of an SQLAlchemy engine.

    Each call takes a connection from the engine's pool for one short transaction of its own. That
    is not part of your transaction: what is stored stays stored if you roll back.

    Args:
        engine: An engine for PostgreSQL (asyncpg or psycopg), MySQL or MariaDB (aiomysql or
            asyncmy) or SQLite (aiosqlite). It is used as it is and never disposed of. Its ``echo``
            shows the statements of this storage without their values.
        table: The table of sessions, or a mapped class; None for ``shopify_sessions``, the table
            that :func:`sessions_table` declares. Columns are found by their names, without regard
            to case and underscores. Columns for dates may be numbers or DateTime.
        layout: Whose table it is: ``"shopify"``, or that of Shopify's packages for Prisma
            (``"prisma"``, a table ``Session``) or Drizzle (``"drizzle"``, a table ``session``),
            which is used as it is, and never created or altered.
        leases: The table of leases, with the columns ``name``, ``holder`` and ``expires``; None for
            ``<table>_leases``, the table that :func:`leases_table` declares.
        create: Whether to create both tables if they do not exist.
        on_error: ``"log"`` failures of the database, or ``"raise"`` them.
        timeout: How long a call may take, including the wait for a connection of the pool.

    Raises:
        TypeError: If an argument is of another type, such as an engine that is not async.
        ValueError: If the engine is for another database, or the table cannot hold sessions.
    """

    backend = "sqlalchemy"
    driver_errors = errors.DRIVER_ERRORS
    conditional_writes = "backend"
    leases = "backend"

    def __init__(
        self,
        engine: AsyncEngine,
        table: Table | type[Any] | None = None,
        *,
        layout: LayoutName = "shopify",
        leases: Table | None = None,
        create: bool = False,
        on_error: OnError = "log",
        timeout: timedelta = DEFAULT_TIMEOUT,
    ) -> None:
        if not isinstance(engine, AsyncEngine):
            raise TypeError(
                "engine must be an AsyncEngine, as create_async_engine() makes it, "
                f"not {type(engine).__name__}"
            )
        if engine.dialect.name not in _DIALECTS:
            raise ValueError(f"no storage for {engine.dialect.name}; known: {', '.join(_DIALECTS)}")
        if type(create) is not bool:
            raise TypeError("create must be a bool")
        super().__init__(on_error=on_error, timeout=timeout)
        self._layout = layout_named(layout)
        if create and not self._layout.owned:
            raise ValueError(f"a table of {self._layout.title} is created by {self._layout.title}")
        if table is not None:
            self._table = table_of(table)
        elif self._layout.owned:
            self._table = sessions_table(MetaData())
        else:
            self._table = Table(self._layout.table, MetaData())
        if leases is None:
            name, schema = f"{self._table.name}_leases", self._table.schema
            leases = leases_table(MetaData(), name, layout=layout, schema=schema)
        self._leases = table_of(leases)
        if missing := {"name", "holder", "expires"} - set(self._leases.columns.keys()):
            raise ValueError(f"the table of leases has no column {', '.join(sorted(missing))}")
        if self._layout.owned:
            columns_of(self._table)  # refuses what cannot hold sessions
        self._columns: Sequence[Column[Any] | None] = ()
        self._create = create
        self._engine = engine
        self._process = os.getpid()
        self._connections = Connections(engine)
        self._statements: Statements

    def __repr__(self) -> str:
        url = self._engine.url
        return f"<SQLAlchemySessionStorage on {url.drivername}, table {self._table.fullname}>"

    def _table_name(self) -> str:
        return self._table.fullname

    async def _plan(self) -> str:
        async with self._in_time():
            return await self._connections.read(self._missing)

    def _missing(self, connection: Connection) -> str:
        if self._layout.owned:
            return missing(connection, self._table, self._leases)
        return additions(connection, self._layout, self._table, self._leases)

    async def _open_connections(self) -> None:
        if self._process != os.getpid():
            # Closes nothing. What the pool has are the parent's connections.
            self._engine.sync_engine.dispose(close=False)
            self._process = os.getpid()
        self._connections = Connections(self._engine)
        async with self._in_time():
            await self._connections.open()
            await self._ping()  # before the tables are created, for which there is no limit

    async def _open(self) -> None:
        await self._once_more(self._open_all)

    async def _open_all(self) -> None:
        await self._open_connections()
        if self._create:
            await create_tables(self._connections, self._table, self._leases)
        dialect = self._engine.dialect
        if self._layout.owned:
            mine = columns_of(self._table)
            self._columns, self._mapping = mine, mapping_of(mine, dialect)
        else:
            async with self._in_time():
                self._columns, self._mapping = await self._connections.read(self._look_at)
        async with self._in_time():
            await check_tables(self._connections, self._columns, self._logger)
        self._statements = Statements(self._columns, self._leases, dialect)

    def _look_at(self, connection: Connection) -> Found:
        return look_at(connection, self._layout, self._table, self._leases)

    async def _close(self) -> None:
        await self._connections.close()

    async def _recover(self) -> None:
        self._connections.expire()

    async def _ping(self) -> None:
        await self._connections.read(lambda connection: connection.execute(select(1)).all())

    async def _load(self, ids: Sequence[str]) -> Iterable[Session]:
        return await self._fetch(self._statements.load, {"ids": ids})

    async def _find(self, shops: Sequence[str]) -> Iterable[Session]:
        return await self._fetch(self._statements.find, {"shops": shops})

    async def _fetch(self, query: Any, parameters: dict[str, Any]) -> list[Session]:
        rows = await self._connections.read(lambda c: rows_of(c, query, parameters))
        return await self._read(rows)

    def _to_row(self, session: Session) -> dict[str, Any]:
        """Return the values of a session by the keys of their columns."""
        mapping = self._mapping
        return dict(zip(mapping.names.values(), mapping.to_row(session), strict=True))

    async def _store(self, sessions: Sequence[Session]) -> None:
        rows = [self._to_row(session) for session in sessions]
        await self._connections.write(lambda connection: self._statements.store(connection, rows))

    async def _delete(self, ids: Sequence[str]) -> None:
        await self._connections.write(
            lambda c: c.execute(self._statements.delete, {"ids": ids}).close()
        )

    async def _compare_and_store(self, session: Session, expected: Session | None) -> bool:
        row = self._to_row(session)
        if expected is None:
            return await self._insert(session.id, row)
        statements, (access, refresh) = self._statements, self._mapping.tokens(expected)
        del row[statements.id_key]
        row |= expected_row(session.id, access, refresh)
        replace = statements.replace
        if await self._connections.write(lambda c: c.execute(replace, row).rowcount > 0):
            return True
        if not statements.is_mysql or self._mapping.tokens(session) != (access, refresh):
            return False
        # A connection that does not count what it has found may have had nothing to change.
        stored = await self._load_one(session.id)
        return stored is not None and self._to_row(stored) == self._to_row(session)

    async def _insert(self, id: str, row: dict[str, Any]) -> bool:
        insert = self._statements.insert
        try:
            return await self._connections.write(lambda c: c.execute(insert, row).rowcount > 0)
        except exc.IntegrityError as error:
            if errors.code_of(error) != errors.DUPLICATE:
                raise
            failure = error
        # MySQL. It may be about an index of somebody's own, or an id that the collation confuses.
        if await self._load_one(id) is None:
            raise failure
        return False

    async def _compare_and_delete(self, expected: Sequence[Session]) -> Iterable[str]:
        ids = [session.id for session in expected]
        rows = [expected_row(one.id, *self._mapping.tokens(one)) for one in expected]
        statements, left = self._statements, self._statements.ids

        def work(connection: Connection) -> Iterable[str]:
            if statements.has_types_of_the_users:  # of which the database knows nothing
                for row in rows:
                    connection.execute(statements.delete_one, row)
            elif connection.execute(
                statements.delete_same, {"ids": ids, "rows": [*map(dotted, rows)]}
            ).rowcount == len(ids):
                return []
            return connection.execute(left, {"ids": ids}).scalars().all()

        return await self._connections.write(work)

    async def _scan(self, after: str | None, batch: int) -> SessionPage:
        statements = self._statements
        query, parameters = statements.page, dict[str, Any](batch=batch)
        if after is not None:
            query, parameters = statements.next_page, dict[str, Any](batch=batch, after=after)
        rows = await self._connections.read(lambda c: rows_of(c, query, parameters))
        stored = [(str(row[0]), row) for row in rows]
        return await page_of(self._read_row, stored, rows[-1][0] if len(rows) == batch else None)

    async def _acquire_lease(self, name: str, holder: str, milliseconds: int) -> bool:
        statements = self._statements
        lease = {"its_name": name, "its_holder": holder, "ttl": milliseconds}

        def work(connection: Connection) -> bool:
            taken = connection.execute(statements.acquire, lease).rowcount > 0
            if not statements.is_mysql:
                return taken
            # There the number tells an old lease from none only on some connections.
            return bool(connection.scalar(statements.holder, {"its_name": name}) == holder)

        return await self._lease(work)

    async def _release_lease(self, name: str, holder: str) -> None:
        lease = {"its_name": name, "its_holder": holder}
        await self._lease(lambda c: c.execute(self._statements.release, lease).rowcount > 0)

    async def _lease(self, work: Any) -> bool:
        try:
            return bool(await self._connections.write(work))
        except exc.DBAPIError as error:
            if not errors.is_missing_table(error):
                raise
            failure = error
        if not self._layout.owned:
            lines = await self._connections.read(
                lambda c: advice_for(c, self._layout, self._table, self._leases).lease_lines()
            )
            raise MigrationError(
                f"sqlalchemy: leases need a table of their own, and {self._leases.fullname} does "
                f"not exist; {self._layout.title} drops tables that its schema does not declare, "
                f"so none is created here. {lines}"
            ) from failure
        raise MigrationError(
            f"sqlalchemy: there is no table of leases, {self._leases.fullname}: declare "
            "leases_table(metadata) and migrate, pass create=True, or run this:\n"
            f"{script(self._engine.dialect, self._leases)}"
        ) from failure

    def _verdict(self, error: Exception) -> Verdict:
        return errors.verdict_of(error)

    def _describe(self, error: Exception) -> str:
        return errors.describe(error)

    def _scrub(self, error: Exception) -> None:
        errors.scrub(error)
