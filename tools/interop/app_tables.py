"""Further backends: tables that an app defines for Shopify's packages for Prisma and Drizzle."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import servers.mysql
import servers.postgresql
from servers.discovery import Server
from shopify_session_storage import BaseSessionStorage, open_session_storage

from interop.backends import Backend, Space
from interop.databases import DATABASES
from interop.packages import HERE
from interop.prisma_cli import Provider

Layout = Literal["prisma", "drizzle"]

# By the kind of database: its server, what ours work with, and what the JavaScript side does.
_SERVERS: dict[Provider, Server | None] = {
    "sqlite": None,
    "postgresql": servers.postgresql.POSTGRESQL,
    "mysql": servers.mysql.MYSQL,
}
_PYTHON_DRIVERS = {"sqlite": "aiosqlite", "postgresql": "asyncpg", "mysql": "aiomysql"}
_DRIVERS: dict[tuple[Layout, Provider], tuple[str, ...]] = {
    ("prisma", "sqlite"): ("@prisma/client", "@prisma/adapter-libsql", "@libsql/client"),
    ("prisma", "postgresql"): ("@prisma/client", "@prisma/adapter-pg"),
    ("prisma", "mysql"): ("@prisma/client", "@prisma/adapter-mariadb"),
    ("drizzle", "sqlite"): ("drizzle-orm", "@libsql/client"),
    ("drizzle", "postgresql"): ("drizzle-orm", "pg"),
    ("drizzle", "mysql"): ("drizzle-orm", "mysql2"),
}


def tables_sql(layout: Layout, provider: Provider) -> str:
    """Return the SQL that makes the tables of the schemas in ``prisma`` or ``drizzle``."""
    return (HERE / layout / f"{provider}.sql").read_text(encoding="utf-8")


def app_space(
    layout: Layout, provider: Provider, *, table: str | None = None, **javascript: Any
) -> Callable[[str, Path], AbstractAsyncContextManager[Space]]:
    """Return what makes a database with the tables of the app.

    Args:
        layout: Whose they are.
        provider: The kind of database.
        table: The table in SQL, if it is not the default.
        javascript: Further options of the official adapter.
    """

    @asynccontextmanager
    async def space(server_url: str, directory: Path) -> AsyncIterator[Space]:
        async with DATABASES[provider](server_url, directory) as database:
            if provider == "mysql":
                await database.run("ALTER DATABASE CHARACTER SET utf8mb4")  # as MySQL 8 has it
            await database.run(tables_sql(layout, provider))

            def python(**options: Any) -> BaseSessionStorage:
                options = {"layout": layout, "session_table_name": table, **options}
                storage = open_session_storage(database.url, on_error="raise", **options)
                assert isinstance(storage, BaseSessionStorage)
                return storage

            where = {"provider": provider, "url": database.javascript_url}
            yield Space(python, {**where, **javascript}, database=database)

    return space


def app_table(
    name: str, layout: Layout, provider: Provider, *, latest: datetime | None = None, **options: Any
) -> Backend:
    """Return a backend, with the options of ``app_space``."""
    return Backend(
        name,
        _SERVERS[provider],
        app_space(layout, provider, **options),
        _DRIVERS[layout, provider],
        (_PYTHON_DRIVERS[provider],),
        either_creates=False,  # only the app does
        package=provider,
        adapter=layout,
        latest=latest,
    )


# What a column of the type timestamp of MySQL holds.
_LAST_TIMESTAMP = datetime(2038, 1, 19, 3, 14, 7, tzinfo=UTC)

SESSION = {"model": "session"}

APP_TABLES = (
    app_table("prisma sqlite", "prisma", "sqlite", model="session", timestampFormat="iso8601"),
    app_table(
        "prisma sqlite ms", "prisma", "sqlite", model="session", timestampFormat="unixepoch-ms"
    ),
    app_table("prisma postgresql", "prisma", "postgresql", model="session"),
    app_table("prisma mysql", "prisma", "mysql", model="session"),
    app_table("drizzle sqlite", "drizzle", "sqlite"),
    app_table("drizzle postgresql", "drizzle", "postgresql"),
    app_table("drizzle mysql", "drizzle", "mysql", latest=_LAST_TIMESTAMP),
)
