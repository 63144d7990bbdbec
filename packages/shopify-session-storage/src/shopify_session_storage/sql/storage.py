"""One storage for all SQL databases.

An adapter adds its connection and its :class:`Dialect`.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from shopify_session_storage.base import DEFAULT_TIMEOUT
from shopify_session_storage.failures import OnError
from shopify_session_storage.migrations import RdbmsSessionStorageMigratorOptions
from shopify_session_storage.pages import SLICE, SessionPage, page_of
from shopify_session_storage.session import Session
from shopify_session_storage.sql.layouts import LayoutName
from shopify_session_storage.sql.statements import SqlStatements


class SqlSessionStorage(SqlStatements):
    """Keeps sessions in one table of an SQL database, and leases in another.

    Every operation is one statement, by primary key or by the index on ``shop``, and one round
    trip, whatever the number of sessions in the group.

    Args:
        session_table_name: Name of the table; None for the usual one of the layout.
        layout: Whose table it is: ``"shopify"`` for the table of Shopify's own adapters, which is
            created if it does not exist; ``"prisma"`` or ``"drizzle"`` for a table of that program,
            which must exist and is never altered.
        column_names: Names of columns of such a table, by the names in :data:`COLUMNS`, if they
            differ by more than case and underscores.
        leases_table_name: Name of the table of leases.
        migrator_options: Where applied migrations are recorded.
        schema: The schema of the tables, for databases that have schemas; None for the default.
        on_error: See :class:`BaseSessionStorage`.
        timeout: See :class:`BaseSessionStorage`.

    Raises:
        TypeError: If an argument is of another type.
        ValueError: If the name of a table or column cannot be used, or there is no such layout.
    """

    conditional_writes = "backend"
    leases = "backend"

    def __init__(
        self,
        *,
        session_table_name: str | None = None,
        layout: LayoutName = "shopify",
        column_names: Mapping[str, str] | None = None,
        leases_table_name: str | None = None,
        migrator_options: RdbmsSessionStorageMigratorOptions | None = None,
        schema: str | None = None,
        on_error: OnError = "log",
        timeout: timedelta = DEFAULT_TIMEOUT,
    ) -> None:
        super().__init__(
            session_table_name=session_table_name,
            layout=layout,
            column_names=column_names,
            leases_table_name=leases_table_name,
            migrator_options=migrator_options,
            schema=schema,
            on_error=on_error,
            timeout=timeout,
        )
        self._build_statements()

    @abstractmethod
    async def _execute(self, sql: str, parameters: Sequence[Any]) -> None:
        """Run a statement that writes. Return when it is durable."""

    @abstractmethod
    async def _change(self, sql: str, parameters: Sequence[Any]) -> bool:
        """Run a statement that writes one row at most. Return when it is durable.

        Returns:
            Whether there was a row to write, also if none of its values is another one now.
        """

    @abstractmethod
    async def _fetch(self, sql: str, parameters: Sequence[Any]) -> Iterable[Sequence[Any]]:
        """Run a query and return its rows."""

    async def _load(self, ids: Sequence[str]) -> Iterable[Session]:
        condition, parameters = self._is_one_of(self._id, ids)
        return await self._read(await self._fetch(self._select + condition, parameters))

    async def _find(self, shops: Sequence[str]) -> Iterable[Session]:
        condition, parameters = self._is_one_of(self._shop, shops)
        return await self._read(await self._fetch(self._select + condition, parameters))

    async def _delete(self, ids: Sequence[str]) -> None:
        condition, parameters = self._is_one_of(self._id, ids)
        await self._execute(self._delete_from + condition, parameters)

    async def _store(self, sessions: Sequence[Session]) -> None:
        source, parameters = self._rows([self._to_row(session) for session in sessions])
        await self._execute(f"{self._insert}{source}{self._update}", parameters)

    async def _compare_and_store(self, session: Session, expected: Session | None) -> bool:
        row = self._to_row(session)
        if expected is None:
            return await self._change(self._insert_new, row)
        tokens = self._mapping.tokens(expected)
        return await self._change(self._replace, (*row[1:], row[0], *tokens))

    async def _acquire_lease(self, name: str, holder: str, milliseconds: int) -> bool:
        if not self._has_leases:
            await self._ensure_leases()
        return await self._change(self._acquire, (name, holder, milliseconds))

    async def _release_lease(self, name: str, holder: str) -> None:
        if not self._has_leases:
            await self._ensure_leases()
        await self._execute(self._release, (name, holder))

    async def _scan(self, after: str | None, batch: int) -> SessionPage:
        sql, parameters = self._page_after(after, batch)
        rows = list(await self._fetch(sql, parameters))
        last = self._decoded(rows[-1:])[0][0] if len(rows) == batch else None
        return await page_of(self._read_row, self._stored(rows), last)

    def _stored(self, rows: Sequence[Sequence[Any]]) -> Iterator[tuple[str, Sequence[Any]]]:
        for first in range(0, len(rows), SLICE):
            for row in self._decoded(rows[first : first + SLICE]):
                yield str(row[0]), row

    def _to_row(self, session: Session) -> tuple[Any, ...]:
        """Return the values of a session for the columns that the table has."""
        return self._mapping.to_row(session)
