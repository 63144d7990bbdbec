"""What a migration would do, written down instead of done."""

import re
from collections.abc import Sequence
from typing import Any

from shopify_session_storage.migrations import SqlConnection


class Recorder:
    """Takes down what a migration would execute, while it looks at the real tables."""

    def __init__(self, connection: SqlConnection) -> None:
        self._connection = connection
        self.statements: list[str] = []

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        for parameter in reversed(parameters):  # the names of migrations
            literal = "'" + str(parameter).replace("'", "''") + "'"
            # The last one: what stands before may be a part of a table's name.
            *_, place = re.finditer(r"\?|\$\d+|%s", sql)
            sql = sql[: place.start()] + literal + sql[place.end() :]
        self.statements.append(sql)

    async def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> Sequence[Sequence[Any]]:
        return await self._connection.fetch(sql, parameters)

    async def columns(self, table: str) -> dict[str, str]:
        return await self._connection.columns(table)
