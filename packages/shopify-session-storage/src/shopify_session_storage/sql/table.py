"""What all storages in an SQL table share, however they reach the database."""

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

from shopify_session_storage.base import BaseSessionStorage
from shopify_session_storage.failures import Verdict, hide_locals
from shopify_session_storage.pages import SLICE
from shopify_session_storage.session import Session
from shopify_session_storage.sql.layouts.mapping import RowMapping
from shopify_session_storage.stored import read_stored

_R = TypeVar("_R")


class TableSessionStorage(BaseSessionStorage):
    """Base of the storages that keep each session in a row of an SQL table."""

    _mapping: RowMapping
    _has_dropped = False

    @abstractmethod
    def _table_name(self) -> str:
        """Return the name of the table of sessions, for people."""

    @abstractmethod
    async def _open_connections(self) -> None:
        """Connect."""

    @abstractmethod
    async def _plan(self) -> str:
        """Return what ``migration_sql()`` does, once there are connections."""

    async def _once_more(self, work: Callable[[], Awaitable[_R]]) -> _R:
        """Do *work*, again if it met a lost connection that a pool of the user's had kept."""
        try:
            return await work()
        except self.driver_errors as error:
            if self._verdict_of(error) is not Verdict.LOST:
                raise
            hide_locals(error)
            self._logger.info("connection lost (%s); trying again", self._describe(error))
        await self._recover()
        return await work()

    async def migration_sql(self) -> str:
        """Return the SQL that creates or upgrades the tables, for a user with the right to run it.

        Empty if there is nothing to do. Nothing is changed. For a table of Prisma or Drizzle, the
        SQL adds the index on the shop, the table of leases and the columns of refresh tokens; add
        them to the schema of that program, too.

        Raises:
            MigrationError: If the table lacks something that only its owner can add; the message
                says what.
            SessionStorageError: If the database cannot be reached.
        """
        with self._raising("migration_sql", "look at the tables"):
            if self._lifecycle.is_opening():
                await self._lifecycle.opened()
                return await self._plan()
            return await self._lifecycle.instead(self._plan_unopened)

    async def _plan_unopened(self) -> str:
        try:
            await self._open_connections()
            return await self._plan()
        finally:
            await self._close_quietly(self._seconds)

    def _misfit(self, session: Session) -> str | None:
        mapping, table = self._mapping, f"{self.backend}: the table {self._table_name()}"
        if (reason := mapping.misfit(session)) is not None:
            return f"{table} cannot hold the session: {reason}"
        if mapping.lacks_user and not self._has_dropped and mapping.drops_user(session):
            self._has_dropped = True
            self._logger.warning(
                "%s has no columns for %s, so data about users is not stored there",
                table,
                ", ".join(mapping.lacks_user),
            )
        return None

    def _decoded(self, rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
        """Return the values of :data:`COLUMNS` for each row as the driver gives it."""
        return rows

    async def _read(
        self,
        rows: Iterable[Sequence[Any]],
        is_wanted: Callable[[Sequence[Any]], bool] | None = None,
    ) -> list[Session]:
        """Read rows of the driver's, some at a time: a shop may have thousands of sessions.

        Args:
            rows: The rows.
            is_wanted: Tells by a row's values whether to read it; None if all are wanted.
        """
        rows = list(rows)
        sessions: list[Session] = []
        for first in range(0, len(rows), SLICE):
            if first:
                await asyncio.sleep(0)
            some = self._decoded(rows[first : first + SLICE])
            if is_wanted is not None:
                some = list(filter(is_wanted, some))
            sessions += [read_stored(self._to_session, row, row[0]) for row in some]
        return sessions

    def _read_row(self, row: Sequence[Any], id: str) -> Session:
        return read_stored(self._to_session, row, id)

    def _to_session(self, row: Sequence[Any]) -> Session:
        return self._mapping.to_session(row)
