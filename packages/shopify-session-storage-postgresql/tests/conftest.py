"""Databases of their own for tests, and servers with something in front of them."""

import tempfile
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from servers import postgresql
from servers.postgresql import with_database
from servers.proxy import Proxy


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
