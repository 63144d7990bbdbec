"""Databases of their own for tests, and servers with something in front of them."""

import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from servers import postgresql
from servers.discovery import free_port
from servers.postgresql import with_database
from servers.proxy import Proxy
from shopify_session_storage_postgresql import PostgreSQLSessionStorage

ALTER = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I {}', current_database()); END $$"


@pytest_asyncio.fixture
async def database_url(postgresql_url):
    """Return the URL of a database that is empty."""
    name = f"test {uuid4().hex} &#$"
    server = await asyncpg.connect(postgresql_url)
    await server.execute(f'CREATE DATABASE "{name}"')
    yield with_database(postgresql_url, name)
    await server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await server.close()


@pytest_asyncio.fixture
async def proxy(postgresql_url):
    """Return a proxy in front of the server."""
    parts = urlsplit(postgresql_url)
    async with Proxy(parts.hostname, parts.port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def pgbouncer_url(postgresql_url):
    """Return the address of a PgBouncer in transaction mode."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        with postgresql.pgbouncer(Path(directory), postgresql_url) as url:
            yield url


def through(proxy: Proxy, url: str) -> str:
    """Return *url* with the address of the proxy, without TLS, which it could not count."""
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    netloc = f"{login}@127.0.0.1:{proxy.port}"
    return urlunsplit(parts._replace(netloc=netloc, query="sslmode=disable"))


@asynccontextmanager
async def opened(url: str, pool: str, **options: object):
    """Give a storage on a pool of its own, or on one of the user's."""
    if pool == "own":
        storage = PostgreSQLSessionStorage(url, on_error="raise", **options)
        async with storage:
            yield storage
    else:
        async with asyncpg.create_pool(url, min_size=3, max_size=3) as users:
            storage = PostgreSQLSessionStorage(users, on_error="raise", **options)
            await storage.ready()
            yield storage
            for _ in range(3):  # is of use as before
                assert await users.fetchval("SELECT 1") == 1


def with_query(url: str, query: str) -> str:
    return urlunsplit(urlsplit(url)._replace(query=query))


async def limited_user(url: str, *grants: str) -> str:
    """Make a user with nothing but *grants*, and return the URL for it."""
    name = f"limited_{free_port()}"
    connection = await asyncpg.connect(url)
    database = await connection.fetchval("SELECT quote_ident(current_database())")
    await connection.execute(
        f"DROP ROLE IF EXISTS {name}; CREATE ROLE {name} LOGIN PASSWORD 'limited'; "
        f"REVOKE CREATE ON SCHEMA public FROM public; "
        f"GRANT CONNECT ON DATABASE {database} TO {name}"
    )
    for grant in grants:
        await connection.execute(f"GRANT {grant} TO {name}")
    await connection.close()
    parts = urlsplit(url)
    return parts._replace(netloc=f"{name}:limited@{parts.hostname}:{parts.port}").geturl()


async def run_sql(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(sql)
    await connection.close()


async def query(url: str, sql: str) -> list[tuple]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(sql)]
    finally:
        await connection.close()
