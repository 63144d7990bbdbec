"""What a failure is called, and whose it is."""

import asyncio
import logging
from urllib.parse import urlsplit

import aiomysql
import pytest
from servers import mysql
from servers.discovery import PASSWORD, USER, free_port
from shopify_session_storage import (
    CorruptSessionError,
    SessionStorageError,
    SessionStorageUnavailableError,
)
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_mysql import MySQLSessionStorage

from .conftest import (
    SHOP,
)


@pytest.mark.asyncio
async def test_failures_to_connect_name_their_cause_and_no_password(mysql_url):
    parts = urlsplit(mysql_url)
    host, port = parts.hostname, parts.port
    make = MySQLSessionStorage.with_credentials
    user = mysql.options_of(mysql_url)["user"]
    for storage, code, hint in (
        (make(host, "none", user, PASSWORD, port=port), 1049, "none"),
        (make(host, "none", user, "secret-wrong", port=port), 1045, "Access denied"),
        (make(host, "none", USER, "secret", port=free_port()), 2003, "ConnectionRefusedError"),
        (make("no-such-host.invalid", "none", USER, "secret"), 2003, "no-such-host"),
    ):
        with pytest.raises(SessionStorageUnavailableError, match=hint) as caught:
            await storage.ready()
        assert isinstance(caught.value.__cause__, aiomysql.OperationalError)
        assert caught.value.__cause__.args[0] == code
        assert str(code) in str(caught.value)
        for text in (str(caught.value), repr(caught.value.__cause__), repr(storage)):
            assert "secret" not in text
            assert PASSWORD not in text


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH_9\r\n", b"", b"\x05\0\0\0\x0ahel", b"-ERR\r\n"]
)
async def test_what_is_not_mysql_is_an_error_with_a_cause(answer):
    def serve(reader, writer) -> None:
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    storage = MySQLSessionStorage(f"mysql://u:secret@127.0.0.1:{port}/d")
    with pytest.raises(SessionStorageUnavailableError) as caught:
        await storage.ready()
    assert isinstance(caught.value.__cause__, aiomysql.MySQLError)
    server.close()


@pytest.mark.asyncio
async def test_server_that_never_answers_is_given_up():
    async def wait(reader, writer) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(wait, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    storage = MySQLSessionStorage(
        f"mysql://u@127.0.0.1:{port}/d", pool_options={"connect_timeout": 0.2}
    )
    with pytest.raises(SessionStorageUnavailableError, match=r"no answer within 0\.2 s"):
        await storage.ready()
    silent.close()


@pytest.mark.asyncio
async def test_bad_session_in_a_group_fails_only_its_own_caller(database_url, caplog):
    async with MySQLSessionStorage(database_url, on_error="raise") as storage:
        await storage._fetch(
            "ALTER TABLE shopify_sessions ADD CHECK (accessToken <> 'shpat_refused')", ()
        )
        many = [online_session(SHOP, user) for user in range(20)]
        many[7].access_token = "shpat_refused"
        many[7].refresh_token = "shprt_refused"
        results = await asyncio.gather(*map(storage.store_session, many), return_exceptions=True)
        assert [result for result in results if result is not True] == [results[7]]
        error = results[7]
        assert type(error) is SessionStorageError
        assert isinstance(error.__cause__, aiomysql.MySQLError)
        assert "shpat" not in f"{error} {error.__cause__} {error.__cause__!r}"
        assert error.__cause__.__context__ is None
        assert len(await storage.find_sessions_by_shop(SHOP)) == 19
    with caplog.at_level(logging.DEBUG):
        async with MySQLSessionStorage(database_url) as storage:
            assert await storage.store_session(many[7]) is False
    assert "CONSTRAINT" in caplog.text
    assert "_refused" not in caplog.text


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "change",
    [
        "MODIFY accessToken int",
        "MODIFY accessToken varchar(5)",
        "MODIFY accessToken varchar(50) CHARACTER SET ascii",
        "MODIFY accessToken datetime",
        "ADD CHECK (accessToken = 'another')",
        "ADD FOREIGN KEY (shop) REFERENCES others (id)",
    ],
)
async def test_what_the_server_says_of_a_value_is_not_shown(database_url, change):
    async with MySQLSessionStorage(database_url, on_error="raise") as storage:
        await storage._fetch("CREATE TABLE others LIKE shopify_sessions", ())
        await storage._fetch(f"ALTER TABLE shopify_sessions {change}", ())
        with pytest.raises(SessionStorageError) as caught:
            await storage.store_session(offline_session(SHOP, access_token="shpat_sécret"))
        cause = caught.value.__cause__
        assert "cret" not in f"{caught.value} {cause!r} {cause.__context__!r}"
        assert type(caught.value) is SessionStorageError


@pytest.mark.asyncio
async def test_unreadable_row_fails_only_its_own_callers(database_url):
    async with MySQLSessionStorage(database_url, on_error="raise") as storage:
        good, bad = offline_session(SHOP), offline_session("bad.myshopify.com")
        await asyncio.gather(storage.store_session(good), storage.store_session(bad))
        await storage._fetch("UPDATE shopify_sessions SET expires = 1e17 WHERE id = %s", (bad.id,))
        results = await asyncio.gather(
            *(storage.load_session(one.id) for one in [good, bad, good, bad, good]),
            return_exceptions=True,
        )
        assert all(good.equals(result) for result in results[::2])
        assert all(isinstance(result, CorruptSessionError) for result in results[1::2])
