"""The statements of a storage in an SQL database, built once from its dialect and its names."""

from collections.abc import Sequence
from typing import Any

from shopify_session_storage.sql.tables import SqlTables
from shopify_session_storage.stored import COLUMNS


class SqlStatements(SqlTables):
    """The statements of an SQL storage.

    Every operation is one of them, by primary key or by the index on ``shop``.
    """

    def _build_statements(self) -> None:
        dialect = self.dialect
        columns = [dialect.identifier(name) for name in COLUMNS]
        self._id, self._shop = columns[:2]
        updates = ", ".join(f"{name} = {dialect.inserted(name)}" for name in columns[1:])
        names = ", ".join(columns)
        self._select_all = f"SELECT {names} FROM {self._quoted}"
        self._select = f"{self._select_all} WHERE "
        self._delete_from = f"DELETE FROM {self._quoted} WHERE "
        self._insert = f"INSERT INTO {self._quoted} ({names}) "
        self._update = f" {dialect.upsert} {updates}"
        self._build_comparisons(columns)
        self._build_leases()
        self._conditions: dict[tuple[str, int], str] = {}
        self._values: dict[int, str] = {}

    def _build_comparisons(self, columns: Sequence[str]) -> None:
        dialect = self.dialect
        numbers = iter(range(1, len(columns) + 3))
        values = ", ".join(f"{name} = {dialect.placeholder(next(numbers))}" for name in columns[1:])
        conditions = [f"{self._id} = {dialect.placeholder(next(numbers))}"]
        for name in ("accessToken", "refreshToken"):
            column = dialect.identifier(name)
            conditions.append(dialect.is_same(column, dialect.placeholder(next(numbers))))
        self._replace = f"UPDATE {self._quoted} SET {values} WHERE {' AND '.join(conditions)}"
        self._insert_new = (
            f"{self._insert}VALUES {dialect.placeholders(len(columns))} "
            f"ON CONFLICT ({self._id}) DO NOTHING"
        )

    def _build_leases(self) -> None:
        dialect = self.dialect
        name, holder, ttl = map(dialect.placeholder, (1, 2, 3))
        self._acquire = (
            f"INSERT INTO {self._quoted_leases} AS held (name, holder, expires) "
            f"VALUES ({name}, {holder}, {dialect.now} + {ttl}) "
            "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires = excluded.expires "
            f"WHERE held.holder = excluded.holder OR held.expires <= {dialect.now}"
        )
        self._release = (
            f"DELETE FROM {self._quoted_leases} WHERE name = {name} AND holder = {holder}"
        )

    def _page_after(self, after: str | None, batch: int) -> tuple[str, Sequence[Any]]:
        """Return the query for a page of sessions in the order of the primary key."""
        rest = f" ORDER BY {self._id} LIMIT {batch}"
        if after is None:
            return self._select_all + rest, ()
        return f"{self._select_all} WHERE {self._id} > {self.dialect.placeholder(1)}{rest}", (
            after,
        )

    def _is_one_of(self, column: str, values: Sequence[str]) -> tuple[str, Sequence[Any]]:
        """Return the condition that a (quoted) column has one of *values*, and its parameters."""
        sql = self._conditions.get((column, len(values)))
        if sql is None:
            sql = f"{column} IN {self.dialect.placeholders(len(values))}"
            self._conditions[column, len(values)] = sql
        return sql, values

    def _rows(self, rows: Sequence[tuple[Any, ...]]) -> tuple[str, Sequence[Any]]:
        """Return the source of *rows* for an INSERT, and its parameters."""
        sql = self._values.get(len(rows))
        if sql is None:
            width = len(COLUMNS)
            lists = (self.dialect.placeholders(width, 1 + n * width) for n in range(len(rows)))
            sql = self._values[len(rows)] = f"VALUES {', '.join(lists)}"
        return sql, [value for row in rows for value in row]
