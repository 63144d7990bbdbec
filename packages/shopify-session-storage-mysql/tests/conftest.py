"""Databases of their own for tests, and servers with something in front of them."""

from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import aiomysql
import pytest_asyncio
from aiomysql.connection import CLIENT
from servers.mysql import options_of, with_database
from servers.proxy import Proxy


@pytest_asyncio.fixture
async def database_url(mysql_url):
    """Return the URL of a database that is empty."""
    name = f"test {uuid4().hex} &#$"
    await run_sql(mysql_url, f"CREATE DATABASE `{name}`")
    yield with_database(mysql_url, name)
    await run_sql(mysql_url, f"DROP DATABASE `{name}`")


@pytest_asyncio.fixture
async def proxy(mysql_url):
    """Return a proxy in front of the server."""
    parts = urlsplit(mysql_url)
    async with Proxy(parts.hostname, parts.port) as proxy:
        yield proxy


def through(proxy: Proxy, url: str) -> str:
    """Return *url* with the address of the proxy, without TLS, which it could not count."""
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    netloc = f"{login}@127.0.0.1:{proxy.port}"
    return urlunsplit(parts._replace(netloc=netloc, query="ssl-mode=DISABLED"))


async def run_sql(url: str, sql: str) -> None:
    """Run statements, separated by semicolons."""
    await query(url, sql)


async def query(url: str, sql: str) -> list[tuple]:
    """Run statements, and return the rows of the first one."""
    connection = await aiomysql.connect(
        **options_of(url), autocommit=True, client_flag=CLIENT.MULTI_STATEMENTS
    )
    try:
        await connection.query(sql)
        rows = connection._result.rows or ()
        while connection._result.has_next:
            await connection.next_result()
        return list(rows)
    finally:
        await connection.ensure_closed()
