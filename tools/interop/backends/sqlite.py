"""A file of SQLite."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from shopify_session_storage import BaseSessionStorage

from interop import databases
from interop.backends.backend import Backend, Space, text


@asynccontextmanager
async def _sqlite(_: str, directory: Path) -> AsyncIterator[Space]:
    from shopify_session_storage_sqlite import SQLiteSessionStorage

    async with databases.sqlite(_, directory) as database:
        file = Path(database.javascript_url.removeprefix("file:"))

        def python(table: str = "shopify_sessions") -> BaseSessionStorage:
            return SQLiteSessionStorage(file, session_table_name=table, on_error="raise")

        async def restore(data: Path) -> None:
            if data.suffix == ".sqlite":
                shutil.copy(data, file)
            else:
                await database.run(text(data))

        yield Space(python, {"database": str(file)}, restore)


SQLITE = Backend(
    "sqlite",
    None,
    _sqlite,
    ("sqlite3",),
    ("aiosqlite",),
    dict.fromkeys(("sqlite_v1_0.sqlite", "sqlite_v5.sqlite", "sqlite_v5_huge_user_id.sqlite")),
    {
        "prisma_iso/sessions.sqlite": "Session",
        "prisma_unixepoch/sessions.sqlite": "Session",
        "drizzle/sessions.sqlite": "session",
    },
)
