"""Tables of other programs: examined when a storage opens, and never created or altered."""

from collections.abc import Mapping, Sequence
from typing import cast

from shopify_session_storage.errors import MigrationError
from shopify_session_storage.migrations import SqlConnection
from shopify_session_storage.sql.layouts import (
    Advice,
    DatabaseName,
    Encodings,
    LiveColumn,
    RowMapping,
    choose_encodings,
    match_columns,
)
from shopify_session_storage.sql.names import SqlNames

_LEASES = frozenset({"name", "holder", "expires"})


class ForeignTables(SqlNames):
    """A table that belongs to Prisma or Drizzle, as does its database.

    They drop what their schema does not declare, so no table is created beside it, either.
    """

    async def _live_columns(self, connection: SqlConnection) -> Sequence[LiveColumn]:
        """Return the columns of the table as they stand; none if there is no table."""
        raise NotImplementedError(f"{type(self).__name__} has no layout but Shopify's own")

    async def _check_unique(self, connection: SqlConnection, column: str) -> None:
        """See that no id can be there twice.

        Raises:
            MigrationError: If one can.
        """
        raise NotImplementedError

    async def _has_index(self, connection: SqlConnection, column: str) -> bool:
        """Tell whether rows are found by a column."""
        raise NotImplementedError

    async def _encodings(
        self, connection: SqlConnection, columns: Mapping[str, LiveColumn]
    ) -> Encodings:
        """Return what stands in columns of each kind."""
        return self.dialect.encodings

    def _build_statements(self) -> None:
        """Build the statements for the columns that the table has."""
        raise NotImplementedError

    def _advice(self) -> Advice:
        """Return what words the lines that the table lacks."""
        return Advice(
            layout=self._layout,
            database=cast("DatabaseName", self.backend),
            name=self._table,
            table=self._in_words(self._quoted),
            leases_name=self._leases_table,
            leases=self._in_words(self._quoted_leases),
            quote=self.dialect.quote,
            key_type=self._foreign_key_type(),
        )

    def _in_words(self, sql: str) -> str:
        """Return SQL as somebody can run it who has no parameters to put in."""
        return sql

    def _foreign_key_type(self) -> str:
        """Return the type of what leases are compared by."""
        return "TEXT"

    async def _matched(self, connection: SqlConnection) -> dict[str, LiveColumn]:
        columns = await self._live_columns(connection)
        return match_columns(columns, self._advice(), self._column_names)

    async def _bind(self, connection: SqlConnection) -> None:
        """Look at the table, and make rows and statements fit it.

        Raises:
            MigrationError: If sessions cannot be kept in it.
        """
        columns, advice = await self._matched(connection), self._advice()
        await self._check_unique(connection, columns["id"].name)
        known = await self._encodings(connection, columns)
        encodings = choose_encodings(columns, known, advice)
        self._mapping = RowMapping.of(columns, encodings, advice)
        self._build_statements()
        shop = columns["shop"].name
        if not await self._has_index(connection, shop):
            self._logger.info(
                "%s: the table %s has no index on %s, so each find_sessions_by_shop() reads "
                "all of it; %s",
                self.backend,
                self._table,
                shop,
                advice.index_line(shop),
            )

    async def _foreign_sql(self, connection: SqlConnection) -> str:
        """Return the SQL for what somebody may want to add."""
        columns, advice = await self._matched(connection), self._advice()
        return advice.additions(
            columns,
            has_index=await self._has_index(connection, columns["shop"].name),
            has_leases=bool(await connection.columns(self._leases_table)),
        )

    async def _check_leases(self, connection: SqlConnection) -> None:
        """See that there is a table of leases.

        Raises:
            MigrationError: If there is none; with the lines to add.
        """
        columns = await connection.columns(self._leases_table)
        if not columns.keys() >= _LEASES:
            what = "has no columns name, holder and expires" if columns else "does not exist"
            raise MigrationError(
                f"{self.backend}: leases need a table of their own, and {self._leases_table} "
                f"{what}. {self._layout.title} drops tables that its schema does not declare, so "
                f"none is created here. {self._advice().lease_lines()}"
            )
