"""Databases of their own for tests, and servers with something in front of them."""

import asyncio
import tempfile
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import aiomysql
import pytest
import pytest_asyncio
from aiomysql.connection import CLIENT
from servers import mysql
from servers.discovery import free_port
from servers.mysql import options_of, with_database
from servers.plugin import skip_if_unwanted
from servers.proxy import Proxy
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_mysql import MySQLSessionStorage

SHOP = "alpha.myshopify.com"


@pytest_asyncio.fixture
async def database_url(mysql_url):
    """Return the URL of a database that is empty."""
    name = f"test {uuid4().hex} &#$"
    await run_sql(mysql_url, f"CREATE DATABASE `{name}`")
    yield with_database(mysql_url, name)
    await run_sql(mysql_url, f"DROP DATABASE `{name}`")


@pytest.fixture(scope="session")
def another_url(pytestconfig, tmp_path_factory):
    """Return the URL of an engine that is neither MariaDB nor MySQL, and answers as MySQL 8."""
    skip_if_unwanted(pytestconfig, "mysql")
    with mysql.another(tmp_path_factory.mktemp("go-mysql-server")) as url:
        yield url


@pytest_asyncio.fixture
async def another_database_url(another_url):
    """Return the URL of a database of that engine that is empty."""
    name = f"test {uuid4().hex} &#$"
    await run_sql(another_url, f"CREATE DATABASE `{name}`")
    yield with_database(another_url, name)
    await run_sql(another_url, f"DROP DATABASE `{name}`")


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


@contextmanager
def mysql_with(*settings: str):
    """Run a server of its own with *settings*."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        with mysql.local(directory, *settings) as url:
            yield url


@asynccontextmanager
async def asyncio_storage(url: str, users: bool, **options):
    if users:
        options = {**mysql.options_of(url), **options}
        async with aiomysql.create_pool(**options, autocommit=True) as pool:
            yield MySQLSessionStorage(pool, on_error="raise")
    else:
        async with MySQLSessionStorage(url, pool_options=options, on_error="raise") as storage:
            yield storage


async def limited_user(url: str, *grants: str) -> str:
    """Make a user with nothing but *grants*, and return the URL for it."""
    name = f"limited_{free_port()}"
    await run_sql(url, f"DROP USER IF EXISTS {name}; CREATE USER {name} IDENTIFIED BY 'limited'")
    for grant in grants:
        await run_sql(url, f"GRANT {grant} TO {name}")
    parts = urlsplit(url)
    return parts._replace(netloc=f"{name}:limited@{parts.hostname}:{parts.port}").geturl()


async def need_mode(url: str, mode: str) -> None:
    """Skip what a mode of MariaDB would do on MySQL."""
    if mode in ("ORACLE", "EMPTY_STRING_IS_NULL"):
        ((version,),) = await query(url, "SELECT VERSION()")
        if "MariaDB" not in version:
            pytest.skip("MySQL has no such mode")


async def compares(storage) -> None:
    """Compare and lease in all ways in which something is found, and nothing changed."""
    minute = timedelta(minutes=1)
    session = offline_session(SHOP, access_token="1", refresh_token="r")
    newer = offline_session(SHOP, access_token="2", refresh_token="r")
    assert await storage.compare_and_store(session, session) is False
    assert await storage.compare_and_store(session, None) is True
    assert await storage.compare_and_store(session, None) is False
    assert await storage.compare_and_store(session, session) is True
    assert await storage.compare_and_store(newer, newer) is False
    assert await storage.compare_and_store(newer, session) is True
    assert await storage.compare_and_store(newer, session) is False
    assert newer.equals(await storage.load_session(session.id))
    assert await storage.compare_and_delete(session) is False
    assert await storage.compare_and_delete(newer) is True
    assert await storage.compare_and_delete(newer) is True
    assert await storage.load_session(session.id) is None

    assert await storage.acquire_lease("name", "a", minute) is True
    for _ in range(3):  # also within one millisecond
        assert await storage.acquire_lease("name", "a", minute) is True
        assert await storage.acquire_lease("name", "b", minute) is False
    await storage.release_lease("name", "b")
    assert await storage.acquire_lease("name", "b", minute) is False
    await storage.release_lease("name", "a")
    assert await storage.acquire_lease("name", "b", timedelta(milliseconds=1)) is True
    await asyncio.sleep(0.01)
    assert await storage.acquire_lease("name", "a", minute) is True
    assert await storage.acquire_lease("name", "b", minute) is False
