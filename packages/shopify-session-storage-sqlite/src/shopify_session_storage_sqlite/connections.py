"""Connections to a database. What is done on one is done in its thread, never in the event loop.

No statement waits for a lock in there: it is tried again from the event loop. So a call that is
cancelled ends at once, whoever holds the lock, and nothing of it is left to happen later.
"""

import asyncio
import random
import sqlite3
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, Self, TypeVar

import aiosqlite

from shopify_session_storage_sqlite.errors import is_locked
from shopify_session_storage_sqlite.jobs import Job

_R = TypeVar("_R")

_OPENING: Final = 30.0  # seconds until a file must have been opened
_PAUSES: Final = (0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.025)  # the last one again and again


class Connection(ABC):
    """A connection, by what is common to those of our own and those of the user."""

    async def run(self, work: Callable[[sqlite3.Connection], _R], *, patience: float = 0) -> _R:
        """Do *work* in the thread, and return its result.

        If the caller is cancelled, work that has not begun is left out.

        Args:
            work: What to do; it must not wait, and leave no transaction open if it fails.
            patience: For how long it is done again while it fails for a lock, in seconds.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + patience
        pauses = iter(_PAUSES)
        while True:
            job = self._submit(work, loop.create_future())
            try:
                await job.done
            except asyncio.CancelledError:
                self._give_up(job)
                raise
            error = job.error
            if error is None:
                return job.result
            if not is_locked(error) or loop.time() > end:
                break
            pause = next(pauses, _PAUSES[-1])
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311
        try:
            raise error
        finally:
            del error, job  # they would make a cycle with this frame

    def post(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Do *work* in the thread after all else, without waiting for it."""
        with suppress(sqlite3.ProgrammingError):  # it is closed, and has no transaction any more
            self._submit(work, None)

    @abstractmethod
    def _submit(
        self, work: Callable[[sqlite3.Connection], _R], done: asyncio.Future[None] | None
    ) -> Job[_R]:
        """Hand *work* to the thread.

        Raises:
            sqlite3.ProgrammingError: If the connection is closed.
        """

    def _give_up(self, job: Job[Any]) -> None:
        job.give_up()


class OwnConnection(Connection):
    """A connection of our own, in autocommit mode: a statement is a transaction."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Job[Any] | None] = SimpleQueue()
        self._open: list[sqlite3.Connection] = []
        # Also if nobody closes it. The thread has no reference to this object.
        self._stop = weakref.finalize(self, self._jobs.put, None)
        # A daemon: otherwise a process could not end before the app has disconnected.
        Thread(
            target=_serve, args=(self._jobs, self._open), name="sqlite sessions", daemon=True
        ).start()

    @classmethod
    async def to(cls, path: str, *, create: bool = True) -> Self:
        """Open the database in the file *path*.

        Args:
            path: The file, or ``":memory:"``.
            create: Whether to create the file if it does not exist.

        Raises:
            sqlite3.Error: If that is not possible, or takes too long.
        """
        connection = cls()
        job = Job(
            lambda: connection._open.append(_connect(path, create)),
            asyncio.get_running_loop().create_future(),
        )
        connection._jobs.put(job)
        try:
            async with asyncio.timeout(_OPENING):
                await job.done
        except TimeoutError:
            job.error = sqlite3.OperationalError(f"the file did not open within {_OPENING:.0f} s")
        finally:
            if job.error is not None or not connection._open:
                connection.stop()
        if job.error is not None:
            raise job.error
        return connection

    def stop(self) -> None:
        """Close it after what is under way, without waiting for that."""
        self._stop()

    async def close(self) -> None:
        """Close it after what is under way."""
        try:
            await self.run(sqlite3.Connection.close)
        finally:
            self.stop()

    def _submit(
        self, work: Callable[[sqlite3.Connection], _R], done: asyncio.Future[None] | None
    ) -> Job[_R]:
        if not self._stop.alive:
            raise sqlite3.ProgrammingError("the connection is closed")
        job = Job(partial(work, self._open[0]), done)
        self._jobs.put(job)
        return job

    def _give_up(self, job: Job[Any]) -> None:
        with suppress(sqlite3.ProgrammingError):  # it has just been closed
            job.give_up(self._open[0].interrupt)


class BorrowedConnection(Connection):
    """A connection of aiosqlite's that the user passed in. It is never closed.

    What is set on it, such as its factories, is put aside while we use it. Nothing is interrupted
    on it, since that would end the user's own statements, too.
    """

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def check(self) -> None:
        """See that it can be used.

        Raises:
            sqlite3.ProgrammingError: If it is not open.
            ValueError: If it has a transaction open all the time.
        """
        await self.run(_check_autocommit)

    def _raw(self) -> sqlite3.Connection:
        connection = self._connection
        # In a forked process the thread is gone, and what it has open is the parent's.
        if not connection._running or not connection._thread.is_alive():
            raise sqlite3.ProgrammingError(
                "the aiosqlite connection that was passed in is not open in this process"
            )
        return connection._conn

    def _submit(
        self, work: Callable[[sqlite3.Connection], _R], done: asyncio.Future[None] | None
    ) -> Job[_R]:
        job = Job(partial(_as_on_ours, self._raw(), work), done)
        # aiosqlite's own way of reporting would end its thread if the event loop has ended.
        self._connection._tx.put_nowait((None, job))
        return job


def _serve(jobs: SimpleQueue[Job[Any] | None], open: list[sqlite3.Connection]) -> None:
    while (job := jobs.get()) is not None:
        job()
        del job  # not kept until the next one comes
    for connection in open:
        connection.close()


def _connect(path: str, create: bool) -> sqlite3.Connection:
    database = path if create else f"{Path(path).absolute().as_uri()}?mode=rw"
    return sqlite3.connect(database, timeout=0, isolation_level=None, uri=not create)


def _check_autocommit(connection: sqlite3.Connection) -> None:
    # New in Python 3.12; -1 stands for the older ways of isolation_level.
    if getattr(connection, "autocommit", -1) == 0:
        raise ValueError(
            "the aiosqlite connection has a transaction open all the time; "
            "make it with autocommit=True, or without autocommit"
        )


def _as_on_ours(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], _R]) -> _R:
    """Do *work* on a connection of the user as if it were set up as ours are."""
    with _settings(connection):
        (timeout,) = connection.execute("PRAGMA busy_timeout").fetchone()
        connection.execute("PRAGMA busy_timeout = 0")
        try:
            return work(connection)
        finally:
            connection.execute(f"PRAGMA busy_timeout = {timeout}")


@contextmanager
def _settings(connection: sqlite3.Connection) -> Iterator[None]:
    before = connection.row_factory, connection.text_factory
    connection.row_factory, connection.text_factory = None, str
    try:
        yield
    finally:
        connection.row_factory, connection.text_factory = before
