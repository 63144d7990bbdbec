"""One database that both languages can open, on each backend, and what is not kept there."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import servers.dynamodb
import servers.kv
import servers.mongodb
import servers.mysql
import servers.postgresql
import servers.redis
from environment import ROOT
from servers.discovery import Server
from shopify_session_storage import BaseSessionStorage

from interop import databases

PACKAGES = ROOT / "packages"


@dataclass(frozen=True)
class Space:
    """A database of its own.

    Attributes:
        python: Makes a storage of ours on it. An old database may have another table name.
        javascript: The options of the official adapter, as ``peer.cjs`` takes them.
        restore: Fills it from a file of golden data, where there is an older layout.
        database: The SQL database that it is, where an app defines the table.
    """

    python: Callable[..., BaseSessionStorage]
    javascript: Mapping[str, Any]
    restore: Callable[[Path], Awaitable[None]] | None = None
    database: databases.Database | None = None


@dataclass(frozen=True)
class Backend:
    """A backend that both languages have an adapter for.

    Attributes:
        name: As in the names of the packages, if those are not given.
        server: Its server; None if it needs none.
        space: Makes a database from that address, and a folder for files.
        javascript_drivers: What the official adapter works with.
        python_drivers: What ours works with.
        old: The files of its old databases, with their table if it is not the default.
        others: The files of databases that other packages of Shopify's made, with their table, in
            the data of the package's own tests.
        either_creates: Whether a storage finds nothing at first, and creates what it needs.
        package: What our package's name ends with.
        adapter: What the official package's name ends with; its name in ``adapters.cjs``.
        latest: The last date that it can hold, if Python has later ones.
    """

    name: str
    server: Server | None
    space: Callable[[str, Path], AbstractAsyncContextManager[Space]]
    javascript_drivers: Sequence[str] = ()
    python_drivers: Sequence[str] = ()
    old: Mapping[str, str | None] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
    either_creates: bool = True
    package: str = ""
    adapter: str = ""
    latest: datetime | None = None

    @property
    def fixture(self) -> str | None:
        """The fixture with the address of its server."""
        return None if self.server is None else f"{self.server.name}_url"

    @property
    def data(self) -> Path:
        """The golden data of the package's own tests."""
        return PACKAGES / self.our_package / "tests" / "data"

    @property
    def id(self) -> str:
        """The name in the names of tests."""
        return self.name.replace(" ", "-")

    @property
    def opened_as(self) -> str:
        """The name in ``adapters.cjs``."""
        return self.adapter or self.name

    @property
    def our_package(self) -> str:
        """The name of our package."""
        return f"shopify-session-storage-{self.package or self.name}"

    @property
    def official_package(self) -> str:
        """The name of the official package."""
        name = self.opened_as.removesuffix("-style")
        return f"@shopify/shopify-app-session-storage-{name}"


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


# --- SQLite ---------------------------------------------------------------------------------------


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
                await database.run(_text(data))

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


# --- PostgreSQL -----------------------------------------------------------------------------------


@asynccontextmanager
async def _postgresql(server_url: str, directory: Path) -> AsyncIterator[Space]:
    from shopify_session_storage_postgresql import PostgreSQLSessionStorage

    async with databases.postgresql(server_url, directory) as database:

        def python(table: str = "shopify_sessions") -> BaseSessionStorage:
            return PostgreSQLSessionStorage(
                database.url, session_table_name=table, on_error="raise"
            )

        async def restore(data: Path) -> None:
            await database.run(_text(data))

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


# --- MySQL ----------------------------------------------------------------------------------------


@asynccontextmanager
async def _mysql(server_url: str, directory: Path) -> AsyncIterator[Space]:
    from shopify_session_storage_mysql import MySQLSessionStorage

    async with databases.mysql(server_url, directory) as database:

        def python(table: str = "shopify_sessions") -> BaseSessionStorage:
            return MySQLSessionStorage(database.url, session_table_name=table, on_error="raise")

        async def restore(data: Path) -> None:
            await database.run(_text(data))

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


# --- Redis ----------------------------------------------------------------------------------------


@asynccontextmanager
async def _redis(url: str, _: Path) -> AsyncIterator[Space]:
    import golden
    from redis.asyncio import Redis
    from shopify_session_storage_redis import RedisSessionStorage

    prefix = f"interop {uuid4().hex}"

    async def restore(data: Path) -> None:
        async with Redis.from_url(url) as client:
            for row in golden.load(data):
                key = row["key"].replace("shopify_sessions", prefix)
                await client.set(key, row["value"].replace("shopify_sessions_", f"{prefix}_"))

    yield Space(
        lambda: RedisSessionStorage(url, session_key_prefix=prefix, on_error="raise"),
        {"url": url, "prefix": prefix},
        restore,
    )


REDIS = Backend(
    "redis",
    servers.redis.REDIS,
    _redis,
    ("redis",),
    ("redis",),
    dict.fromkeys(("redis_v1_0_keys.json", "redis_v4_keys.json")),
)


# --- MongoDB --------------------------------------------------------------------------------------


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


# --- DynamoDB -------------------------------------------------------------------------------------


@asynccontextmanager
async def _dynamodb(endpoint: str, _: Path) -> AsyncIterator[Space]:
    import aioboto3
    from shopify_session_storage_dynamodb import DynamoDBSessionStorage

    table = f"interop_{uuid4().hex}"
    session = aioboto3.Session("local", "local", region_name="us-east-1")

    def python() -> BaseSessionStorage:
        return DynamoDBSessionStorage(
            session_table_name=table,
            session=session,
            client_options={"endpoint_url": endpoint},
            create_table=True,
            on_error="raise",
        )

    options = {"endpoint": endpoint, "region": "us-east-1", "table": table}
    yield Space(python, options)
    async with session.client("dynamodb", endpoint_url=endpoint) as client:
        await client.delete_table(TableName=table)


DYNAMODB = Backend(
    "dynamodb",
    servers.dynamodb.DYNAMODB,
    _dynamodb,
    ("@aws-sdk/client-dynamodb", "@aws-sdk/util-dynamodb"),
    ("aioboto3", "aiobotocore"),
    either_creates=False,  # the official adapter never does
)


# --- Workers KV -----------------------------------------------------------------------------------


@asynccontextmanager
async def _kv_style(url: str, _: Path) -> AsyncIterator[Space]:
    import golden
    from shopify_session_storage_kv_style import CloudflareKVNamespace, KVSessionStorage

    parts = urlsplit(url)
    account, namespace = parts.netloc, parts.path[1:]
    base_url = parts.query.partition("=")[2]
    token = os.environ["CLOUDFLARE_API_TOKEN"]
    async with CloudflareKVNamespace(account, namespace, token, base_url=base_url) as kv:

        async def restore(data: Path) -> None:
            for row in golden.load(data):
                await kv.put(row["key"], row["value"])

        address = f"{base_url}/accounts/{account}/storage/kv/namespaces/{namespace}"
        yield Space(
            lambda: KVSessionStorage(kv, on_error="raise"),
            {"url": address, "token": token},
            restore,
        )


KV = Backend(
    "kv-style",
    servers.kv.KV,
    _kv_style,
    (),
    ("httpx",),
    dict.fromkeys(("kv_v4_keys.json",)),
)


BACKENDS = (SQLITE, POSTGRESQL, MYSQL, REDIS, MONGODB, DYNAMODB, KV)
