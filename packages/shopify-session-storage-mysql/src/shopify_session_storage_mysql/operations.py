"""The operations: how statements are made for a table, and how sessions come back from it."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from shopify_session_storage import COLUMNS, CorruptSessionError, Session, SessionPage

from shopify_session_storage_mysql import statements
from shopify_session_storage_mysql.migrations import MySQLTables
from shopify_session_storage_mysql.statements import Outcome, literal

# Decimals stay text, which is read as JavaScript reads it. Not every server of this kind escapes
# control characters.
_from_json: Final = json.JSONDecoder(parse_float=str, strict=False).decode


class MySQLOperations(MySQLTables):
    """Loads, finds, stores, deletes and walks through all."""

    async def _fetch(self, sql: str, parameters: Sequence[Any]) -> Iterable[Sequence[Any]]:
        assert self._pool is not None
        async with self._pool.acquire() as connection:
            return await statements.run(connection, sql % tuple(map(literal, parameters)))

    async def _execute(self, sql: str, parameters: Sequence[Any]) -> None:
        await self._write(sql, parameters)

    async def _change(self, sql: str, parameters: Sequence[Any]) -> bool:
        return (await self._write(sql, parameters)).affected > 0

    async def _write(self, sql: str, parameters: Sequence[Any]) -> Outcome:
        assert self._pool is not None
        async with self._pool.acquire() as connection:
            return await statements.change(connection, sql % tuple(map(literal, parameters)))

    # aiomysql takes longer to read a column's description than we take to read a session, so that
    # the server makes one column of all.

    def _build_statements(self) -> None:
        super()._build_statements()
        self._select_all = f"SELECT JSON_ARRAY({self._columns_list}) FROM {self._quoted}"
        self._select = f"{self._select_all} WHERE "
        if not (self._tells_keys_apart and self._layout.owned):
            # What would overwrite somebody else's session is an error, in any strict mode. A table
            # of another program may have further unique indexes.
            same = f"{self._exact(self._id)} = {self._exact(self.dialect.inserted(self._id))}"
            upsert = self.dialect.upsert(self._id)
            guarded = f"{upsert} {self._id} = IF({same}, {self._id}, NULL),"
            self._update = self._update.replace(upsert, guarded, 1)
        if not self._tells_keys_apart:
            self._replace += f" AND {self._exact(self._id)} = %s"

    def _exact(self, column: str) -> str:
        """Return a column of an old table as one that is compared exactly."""
        return f"CONVERT({column} USING utf8mb4) COLLATE {self._collation}"

    def _is_one_of(self, column: str, values: Sequence[str]) -> tuple[str, Sequence[Any]]:
        sql, parameters = super()._is_one_of(column, values)
        if self._tells_keys_apart:
            return sql, parameters
        exact = sql.replace(column, self._exact(column), 1)
        return f"({sql} AND {exact})", [*parameters, *parameters]

    # Reads of such a table leave it to us to compare exactly: a second list of all ids or shops,
    # with a conversion, takes the server about as long as the rest.

    async def _load(self, ids: Sequence[str]) -> Iterable[Session]:
        if self._tells_keys_apart:
            return await super()._load(ids)
        return await self._read_exactly(self._id, ids, COLUMNS.index("id"))

    async def _find(self, shops: Sequence[str]) -> Iterable[Session]:
        if self._tells_keys_apart:
            return await super()._find(shops)
        return await self._read_exactly(self._shop, shops, COLUMNS.index("shop"))

    async def _read_exactly(
        self, column: str, values: Sequence[str], place: int
    ) -> Iterable[Session]:
        condition, parameters = super()._is_one_of(column, values)
        rows = await self._fetch(self._select + condition, parameters)
        wanted = frozenset(values)
        return await self._read(rows, lambda row: row[place] in wanted)

    def _decoded(self, rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
        try:
            return [_from_json(text) for (text,) in rows]
        except (TypeError, ValueError):  # its message would have the text
            pass
        raise CorruptSessionError("mysql: the server's JSON cannot be read")

    async def _scan(self, after: str | None, batch: int) -> SessionPage:
        try:
            return await super()._scan(after, batch)
        except CorruptSessionError:
            pass  # the JSON of one of them is larger than the server's packets
        sql, parameters = self._page_after(after, batch)
        sql = sql.replace(self._select_all, f"SELECT {self._id} FROM {self._quoted}", 1)
        ids = [str(row[0]) for row in await self._fetch(sql, parameters)]
        sessions: list[Session] = []
        corrupt = []
        for id in ids:
            try:
                sessions += await self._load([id])
            except CorruptSessionError:
                corrupt.append(id)
        return SessionPage(sessions, corrupt, ids[-1] if len(ids) == batch else None)
