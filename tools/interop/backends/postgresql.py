"""A database of PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import servers.postgresql
from shopify_session_storage import BaseSessionStorage

from interop import databases
from interop.backends.backend import Backend, Space, text


@asynccontextmanager
async def _postgresql(server_url: str, directory: Path) -> AsyncIterator[Space]:
    from shopify_session_storage_postgresql import PostgreSQLSessionStorage

    async with databases.postgresql(server_url, directory) as database:

        def python(table: str = "shopify_sessions") -> BaseSessionStorage:
            return PostgreSQLSessionStorage(
                database.url, session_table_name=table, on_error="raise"
            )

        async def restore(data: Path) -> None:
            await database.run(text(data))

        yield Space(python, {"url": database.javascript_url}, restore)


POSTGRESQL = Backend(
    "postgresql",
    servers.postgresql.POSTGRESQL,
    _postgresql,
    ("pg",),
    ("asyncpg",),
    {
        "postgresql_v1_0.sql": None,
        "postgresql_v1_0_mixed_case_table.sql": "MyAppSessions",
        "postgresql_v5.sql": None,
    },
    {"prisma/dump.sql": "Session", "drizzle/dump.sql": "session"},
)
