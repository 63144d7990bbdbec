"""URLs and options: honoured, or refused without showing them."""

import ssl

import aiomysql
import pytest
from servers import mysql
from servers.discovery import free_port
from shopify_session_storage_mysql import MySQLSessionStorage

from .conftest import run_sql


@pytest.mark.asyncio
async def test_passwords_and_names_may_have_any_characters(database_url):
    password = "pä ß€😀/@:?#%'\"\\"
    literal = password.replace("\\", "\\\\").replace("'", "''")
    name = f"üser {free_port()}"
    await run_sql(database_url, f"CREATE USER `{name}` IDENTIFIED BY '{literal}'")
    await run_sql(database_url, f"GRANT ALL ON *.* TO `{name}`")
    options = mysql.options_of(database_url)
    storage = MySQLSessionStorage.with_credentials(
        options["host"], options["db"], name, password, port=options["port"]
    )
    async with storage:
        assert await storage.is_ready()
    await run_sql(database_url, f"DROP USER `{name}`")


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("", ValueError),
        ("postgresql://user:secret@host/database", ValueError),
        ("mysql://user:secret@host:port/database", ValueError),
        ("mysql://user:secret@[host/database", ValueError),
        ("mysql://user:secret@host", ValueError),
        ("mysql://user:secret@host/", ValueError),
        ("mysql://host/database", ValueError),
        ("mysql://user:se#secret@host/database", ValueError),
        ("mysql://user:secret%ff@host/database", ValueError),
        ("mysql://user:secret@host/database?ssl-mode=secret", ValueError),
        ("mysql://user:secret@host/database?ssl-modus=REQUIRED", ValueError),
        (None, TypeError),
        (b"mysql://host", TypeError),
    ],
)
def test_unusable_urls_are_refused_without_showing_them(url, error):
    with pytest.raises(error) as caught:
        MySQLSessionStorage(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["quo`te", "quo'te", 'quo"te', "", "nul\0", "x" * 65])
def test_unusable_names_are_refused(name):
    with pytest.raises(ValueError, match="session_table_name"):
        MySQLSessionStorage("mysql://user@host/database", session_table_name=name)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"connection_pool_limit": 0}, ValueError),
        ({"connection_pool_limit": "10"}, TypeError),
        ({"connection_pool_limit": True}, TypeError),
        ({"pool_options": {"autocommit": False}}, ValueError),
        ({"pool_options": {"maxsize": 3}}, ValueError),
        ({"pool_options": {"ssl": True}}, TypeError),
        ({"session_table_name": 1}, TypeError),
        ({"on_error": "ignore"}, ValueError),
    ],
)
def test_unusable_options_are_refused(options, error):
    with pytest.raises(error):
        MySQLSessionStorage("mysql://user@host/database", **options)
    with pytest.raises(ValueError, match="TLS"):
        MySQLSessionStorage(
            "mysql://user@host/database?ssl-mode=REQUIRED",
            pool_options={"ssl": ssl.create_default_context()},
        )


@pytest.mark.asyncio
async def test_pool_options_are_for_our_own_pool():
    pool = await aiomysql.create_pool(0)
    with pytest.raises(ValueError, match="pool_options"):
        MySQLSessionStorage(pool, pool_options={})
    waiting = aiomysql.create_pool(0)
    with pytest.raises(TypeError, match="awaiting"):
        MySQLSessionStorage(waiting)
    waiting.close()
