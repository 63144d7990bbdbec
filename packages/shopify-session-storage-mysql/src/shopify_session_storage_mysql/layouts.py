"""Tables of Prisma and Drizzle, as they stand."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from shopify_session_storage import (
    Kind,
    LiveColumn,
    MigrationError,
    SqlConnection,
    SqlSessionStorage,
)

from shopify_session_storage_mysql.dialect import DIALECT
from shopify_session_storage_mysql.existing import EXACT_COLLATIONS, Indexes

# Of UTF-8, in a column of text.
_SIZES: Final = {"tinytext": 2**8 - 1, "text": 2**16 - 1, "mediumtext": 2**24 - 1}


class MySQLForeignTables(SqlSessionStorage):
    """A table that belongs to Prisma or Drizzle.

    Their collations mostly ignore case, so that ids which differ in it alone are compared exactly
    besides, and one of them cannot be stored beside the other.
    """

    dialect = DIALECT
    _collation = EXACT_COLLATIONS[0]
    _is_strict = True
    _tells_keys_apart = True
    _is_exact: dict[str, bool]

    def _key_type(self) -> str:
        return f"{super()._key_type()} CHARACTER SET utf8mb4 COLLATE {self._collation}"

    def _foreign_key_type(self) -> str:
        return self._key_type()

    def _in_words(self, sql: str) -> str:
        return sql.replace("%%", "%")

    async def _live_columns(self, connection: SqlConnection) -> Sequence[LiveColumn]:
        if not await connection.columns(self._table):
            return []
        rows = await connection.fetch(f"SHOW FULL COLUMNS FROM {self._quoted}")
        self._is_exact = {row[0]: row[2] in EXACT_COLLATIONS for row in rows}
        return [_column(*row[:7]) for row in rows]

    async def _bind(self, connection: SqlConnection) -> None:
        if not self._is_strict:
            raise MigrationError(
                f"mysql: the aiomysql pool would cut values that are too long for {self._table}: "
                "set its sql_mode to one with STRICT_ALL_TABLES"
            )
        await super()._bind(connection)
        names = self._mapping.names
        self._tells_keys_apart = self._is_exact[names["id"]] and self._is_exact[names["shop"]]
        self._build_statements()

    async def _check_unique(self, connection: SqlConnection, column: str) -> None:
        if not (await self._indexes(connection)).has_unique(column):
            sql = f"ALTER TABLE {self._quoted} ADD PRIMARY KEY ({self.dialect.identifier(column)})"
            raise MigrationError(
                f"mysql: the table {self._table} has no primary key or unique index on {column} "
                "alone, so a session could be stored twice. Remove duplicate ids, if there are "
                f"any, and run this:\n{self._in_words(sql)};"
            )

    async def _has_index(self, connection: SqlConnection, column: str) -> bool:
        return (await self._indexes(connection)).has(column)

    async def _indexes(self, connection: SqlConnection) -> Indexes:
        return Indexes(await connection.fetch(f"SHOW INDEX FROM {self._quoted}"))


def _column(
    name: str, type: str, collation: Any, null: str, key: Any, default: Any, extra: Any
) -> LiveColumn:
    """Make a column of a row of SHOW FULL COLUMNS."""
    made_by_itself = "auto_increment" in (extra or "") or "GENERATED" in (extra or "")
    column = LiveColumn.declared(
        name,
        type,
        nullable=null == "YES",
        has_default=default is not None or made_by_itself,
        precision=0,
    )
    is_timestamp = column.kind is Kind.TIMESTAMP and type.startswith("timestamp")
    return replace(column, size=_SIZES.get(type), ends_2038=is_timestamp)
