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
        columns = {name: dialect.identifier(live) for name, live in self._mapping.names.items()}
        self._id, self._shop = columns["id"], columns["shop"]
        self._columns_list = ", ".join(columns.get(name, "NULL") for name in COLUMNS)
        self._select_all = f"SELECT {self._columns_list} FROM {self._quoted}"
        self._select = f"{self._select_all} WHERE "
        self._delete_from = f"DELETE FROM {self._quoted} WHERE "
        present = list(columns.values())
        updates = ", ".join(f"{name} = {dialect.inserted(name)}" for name in present[1:])
        self._insert = f"INSERT INTO {self._quoted} ({', '.join(present)}) "
        self._update = f" {dialect.upsert(self._id)} {updates}"
        self._build_comparisons(present)
        self._build_leases()
        self._conditions: dict[tuple[str, int], str] = {}
        self._values: dict[int, str] = {}

    def _build_comparisons(self, columns: Sequence[str]) -> None:
        dialect = self.dialect
        numbers = iter(range(1, len(columns) + 3))
        values = ", ".join(f"{name} = {dialect.placeholder(next(numbers))}" for name in columns[1:])
        conditions = [f"{self._id} = {dialect.placeholder(next(numbers))}"]
        conditions += [
            dialect.is_same(token, dialect.placeholder(next(numbers))) for token in self._tokens()
        ]
        self._replace = f"UPDATE {self._quoted} SET {values} WHERE {' AND '.join(conditions)}"
        self._insert_new = (
            f"{self._insert}VALUES {dialect.placeholders(len(columns))} "
            f"ON CONFLICT ({self._id}) DO NOTHING"
        )

    def _tokens(self, table: str = "") -> tuple[str, str]:
        """Return expressions for the access token and the refresh token as they are compared.

        Args:
            table: What qualifies the columns, with its dot.
        """
        names = self._mapping.names
        access = table + self.dialect.identifier(names["accessToken"])
        if not self._layout.owned:
            access = f"COALESCE({access}, '')"  # both mean that there is none
        if "refreshToken" not in names:
            return access, "CAST(NULL AS char)"  # of some type, which PostgreSQL wants
        return access, table + self.dialect.identifier(names["refreshToken"])

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
            width = len(rows[0])
            lists = (self.dialect.placeholders(width, 1 + n * width) for n in range(len(rows)))
            sql = self._values[len(rows)] = f"VALUES {', '.join(lists)}"
        return sql, [value for row in rows for value in row]
