"""A database of MySQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import servers.mysql
from shopify_session_storage import BaseSessionStorage

from interop import databases
from interop.backends.backend import Backend, Space, text


@asynccontextmanager
async def _mysql(server_url: str, directory: Path) -> AsyncIterator[Space]:
    from shopify_session_storage_mysql import MySQLSessionStorage

    async with databases.mysql(server_url, directory) as database:

        def python(table: str = "shopify_sessions") -> BaseSessionStorage:
            return MySQLSessionStorage(database.url, session_table_name=table, on_error="raise")

        async def restore(data: Path) -> None:
            await database.run(text(data))

        yield Space(python, {"url": database.javascript_url}, restore)


MYSQL = Backend(
    "mysql",
    servers.mysql.MYSQL,
    _mysql,
    ("mysql2",),
    ("aiomysql",),
    dict.fromkeys(("mysql_v1_0.sql", "mysql_v5.sql")),
    {"prisma/dump.sql": "Session", "drizzle/dump.sql": "session"},
)
