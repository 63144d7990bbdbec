"""The way to the database: connections of the user's engine, each for one group of calls.

Work is done in a task of its own. Whoever gives it up does not wait for it: drivers take their
time to end what is under way, some of them until the server answers.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, cast
from weakref import WeakKeyDictionary

from shopify_session_storage import SessionStorageUnavailableError, Verdict
from sqlalchemy import Connection, Engine, exc
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import IsolationLevel
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import Pool, StaticPool
from sqlalchemy.util import greenlet_spawn

from shopify_session_storage_sqlalchemy.errors import verdict_of

_R = TypeVar("_R")

# How long a driver may take to end what is under way, before its connection is cut.
_ENDING_SECONDS: Final = 1.0

_ANOTHER_LOOP: Final = (
    "sqlalchemy: the engine's pool has connections of another event loop: an engine belongs to "
    "one event loop, unless it is made with poolclass=NullPool"
)

_TURNS: Final[WeakKeyDictionary[Pool, tuple[asyncio.AbstractEventLoop, asyncio.Lock]]] = (
    WeakKeyDictionary()
)


class Connections:
    """Runs statements on connections of an engine, which stays the user's.

    Args:
        engine: The engine.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = _without_values(engine.sync_engine)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._reading = self._writing = _Way(self._engine)

    async def open(self) -> None:
        """Get ready on this event loop."""
        engine = self._engine
        if self.dialect.name == "postgresql":
            # A statement of ours is right by itself at this level. At a stricter one, which an
            # engine may have, most of many stores of one session would fail, and be repeated.
            self._writing = _Way(engine, "READ COMMITTED")
            if await self.read(_is_direct):
                # One round trip in place of three.
                self._reading = _Way(engine, "AUTOCOMMIT")
        elif self.dialect.name == "sqlite":
            # Who writes waits for his turn here, rather than for a lock in the driver's thread.
            self._writing = _Way(engine, turn=_turn_of(engine.pool))
            if isinstance(engine.pool, StaticPool):  # a database in memory has one connection
                self._reading = self._writing

    @property
    def dialect(self) -> Dialect:
        """The database's."""
        return self._engine.dialect

    async def close(self) -> None:
        """Wait for what has been given up."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def read(self, work: Callable[[Connection], _R]) -> _R:
        """Do *work*, which only reads."""
        return await self._run(self._reading, work, commit=False)

    async def write(self, work: Callable[[Connection], _R]) -> _R:
        """Do *work* in a transaction, which is durable then."""
        return await self._run(self._writing, work, commit=True)

    def expire(self) -> None:
        """See that no connection is used again that the pool has now."""
        # As SQLAlchemy does after a lost connection; it does not know of those that are silent.
        self._engine.pool._invalidate_time = time.time()

    async def _run(self, way: "_Way", work: Callable[[Connection], _R], *, commit: bool) -> _R:
        errand = _Errand()
        task = asyncio.create_task(way.work(work, commit, errand))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.add_done_callback(_retrieve)
            # SQLite's thread cannot be stopped, and what it has begun ends soon. To close such a
            # connection would lose a database in memory, or leave a lock for a while; one that is
            # being made would be left to the garbage collector.
            errand.is_wanted = False
            if self.dialect.name != "sqlite":
                _give_up(task, errand)
            raise
        return task.result()


@dataclass
class _Errand:
    """Some work: the driver's connection that it has got, and whether anybody waits for it."""

    driver: Any = None
    is_wanted: bool = True

    def check(self) -> None:
        """End it if nobody waits for it any more."""
        if not self.is_wanted:
            raise asyncio.CancelledError


@dataclass(frozen=True)
class _Way:
    """How connections are had for one kind of work.

    Attributes:
        engine: Whose connections they are.
        isolation: The level of isolation; None for that of the engine.
        turn: What is held meanwhile.
    """

    engine: Engine
    isolation: IsolationLevel | None = None
    turn: AbstractAsyncContextManager[Any] = field(default_factory=nullcontext)

    async def work(self, work: Callable[[Connection], _R], commit: bool, errand: _Errand) -> _R:
        async with self.turn:
            return await greenlet_spawn(self._work, work, commit, errand)

    def _work(self, work: Callable[[Connection], _R], commit: bool, errand: _Errand) -> _R:
        while True:
            errand.check()
            try:
                with self.engine.connect() as connection:
                    driver = connection.connection.driver_connection
                    if not _is_left_over(driver):
                        errand.check()
                        errand.driver = driver
                        return self._work_on(connection, work, commit)
            except RuntimeError as error:
                if "loop" not in str(error):
                    raise
                raise SessionStorageUnavailableError(_ANOTHER_LOOP) from error
            except Exception as error:
                if type(error).__module__.partition(".")[0] != "asyncpg":
                    raise
                # SQLAlchemy 2.0 lets through what the server says to who connects.
                raise exc.DBAPIError(None, None, error) from error
            # Closes nothing. The pool forgets the connections of the loop that has ended.
            self.engine.dispose(close=False)

    def _work_on(
        self, connection: Connection, work: Callable[[Connection], _R], commit: bool
    ) -> _R:
        if self.isolation is not None:
            connection.execution_options(isolation_level=self.isolation)
        try:
            result = work(connection)
            if commit:
                connection.commit()
        except Exception as error:
            if verdict_of(error) is Verdict.LOST and not connection.invalidated:
                connection.invalidate()
            raise
        return result


def _give_up(task: asyncio.Task[Any], errand: _Errand) -> None:
    """End work that nobody waits for any more. Its connection does not go back to the pool."""
    task.cancel()

    def cut() -> None:
        if not task.done():
            if errand.driver is not None:
                _cut(errand.driver)
            task.cancel()

    asyncio.get_running_loop().call_later(_ENDING_SECONDS, cut)


def _retrieve(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


def _cut(driver: Any) -> None:
    """Close a connection without a word."""
    kind = type(driver).__module__.partition(".")[0]
    with suppress(Exception):  # whatever a connection in that state may raise
        if kind == "asyncpg":
            driver.terminate()
        elif kind == "psycopg":
            driver.pgconn.finish()
        else:
            driver.close()


def _is_left_over(driver: Any) -> bool:
    """Tell whether a connection belongs to an event loop that has ended.

    Raises:
        SessionStorageUnavailableError: If it belongs to another one that goes on.
    """
    loop = getattr(driver, "_loop", None)  # psycopg and aiosqlite work on any
    if loop is None or loop is asyncio.get_running_loop():
        return False
    if loop.is_closed():
        return True
    raise SessionStorageUnavailableError(_ANOTHER_LOOP)


def _is_direct(connection: Connection) -> bool:
    """Tell whether there is no pooler, such as PgBouncer, in front of PostgreSQL.

    A pooler makes up the number that the client is told, and may give each statement outside of a
    transaction another server connection.
    """
    driver: Any = connection.connection.driver_connection
    told = driver.get_server_pid() if hasattr(driver, "get_server_pid") else _pid(driver)
    return bool(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar() == told)


def _pid(driver: Any) -> int | None:
    info = getattr(driver, "info", None)
    return getattr(info, "backend_pid", None)


def _turn_of(pool: Pool) -> asyncio.Lock:
    """Return the lock for all storages on a pool, on this event loop."""
    loop = asyncio.get_running_loop()
    known = _TURNS.get(pool)
    if known is None or known[0] is not loop:
        known = _TURNS[pool] = loop, asyncio.Lock()
    return known[1]


def _without_values(engine: Engine) -> Engine:
    """Return an engine on the pool of *engine* that logs no parameters and no rows.

    Whatever ``echo`` and ``hide_parameters`` are, and whatever the levels of loggers are set to,
    since the parameters and the rows of our statements are access tokens. The statements are
    logged as by *engine*.
    """
    own = engine.execution_options()
    own.hide_parameters = True
    logger: Any = own.logger
    own.logger = cast("Any", _WithoutRows(logger))
    return own


class _WithoutRows(logging.LoggerAdapter[Any]):
    """A logger without what SQLAlchemy logs at DEBUG: rows, and the names of their columns."""

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802  # the standard library's name
        return level > logging.DEBUG and super().isEnabledFor(level)
