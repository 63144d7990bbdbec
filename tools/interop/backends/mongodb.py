"""A database of MongoDB."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import servers.mongodb

from interop.backends.backend import Backend, Space


@asynccontextmanager
async def _mongodb(url: str, _: Path) -> AsyncIterator[Space]:
    from pymongo import AsyncMongoClient
    from shopify_session_storage_mongodb import MongoDBSessionStorage

    database = f"interop_{uuid4().hex}"
    try:
        yield Space(
            lambda: MongoDBSessionStorage(url, database, on_error="raise"),
            {"url": url, "database": database},
        )
    finally:
        async with AsyncMongoClient[Any](url) as client:
            await client.drop_database(database)


MONGODB = Backend("mongodb", servers.mongodb.MONGODB, _mongodb, ("mongodb",), ("motor", "pymongo"))
