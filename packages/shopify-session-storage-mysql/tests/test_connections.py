"""Connections of our own: kept, thrown away, made anew."""

import asyncio
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import aiomysql
import pytest
from servers import mysql
from servers.discovery import free_port
from servers.disturbing import bear_cancellations, bear_cuts, follow_to_a_new_loop
from shopify_session_storage import (
    CorruptSessionError,
    Session,
    SessionStorageUnavailableError,
)
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_mysql import MySQLSessionStorage

from .conftest import (
    SHOP,
    asyncio_storage,
    mysql_with,
    query,
    through,
)


@pytest.mark.asyncio
async def test_lost_connections_never_reach_the_caller(database_url, proxy):
    async with MySQLSessionStorage(through(proxy, database_url), on_error="raise") as storage:
        await bear_cuts(storage, proxy.cut)


@pytest.mark.asyncio
@pytest.mark.parametrize("users", [False, True])
async def test_connections_ended_by_the_server_never_reach_the_caller(database_url, users):
    async with asyncio_storage(database_url, users) as storage:
        session = offline_session(SHOP)
        await storage.store_session(session)
        other = await aiomysql.connect(**mysql.options_of(database_url))
        for _ in range(5):
            await asyncio.gather(*(storage.find_sessions_by_shop(f"{n}") for n in range(5)))
            await other.query(
                "SELECT id FROM information_schema.processlist "
                "WHERE db = DATABASE() AND id <> CONNECTION_ID()"
            )
            for (number,) in other._result.rows:
                await other.query(f"KILL {number}")
            loads = [storage.load_session(session.id) for _ in range(20)]
            assert all(session.equals(loaded) for loaded in await asyncio.gather(*loads))
        await other.ensure_closed()


@pytest.mark.asyncio
@pytest.mark.parametrize("users", [False, True])
async def test_connections_idle_for_longer_than_wait_timeout_never_reach_the_caller(
    database_url, users
):
    command = "SET SESSION wait_timeout = 1"
    async with asyncio_storage(database_url, users, init_command=command) as storage:
        session = offline_session(SHOP)
        await storage.store_session(session)
        await asyncio.gather(*(storage.find_sessions_by_shop(f"{n}") for n in range(5)))
        await asyncio.sleep(2)
        loads = [storage.load_session(session.id) for _ in range(20)]
        assert all(session.equals(loaded) for loaded in await asyncio.gather(*loads))
        assert await storage.store_session(session) is True


@pytest.mark.asyncio
async def test_idle_connections_are_closed_after_pool_recycle(database_url, proxy):
    async with MySQLSessionStorage(
        through(proxy, database_url), pool_options={"pool_recycle": 0.2}, on_error="raise"
    ) as storage:
        await asyncio.gather(*(storage.find_sessions_by_shop(f"{n}") for n in range(5)))
        proxy.reset()
        await storage.load_session("a")
        assert proxy.connections == 0
        await asyncio.sleep(0.3)
        await storage.load_session("a")
        assert proxy.connections == 1
        assert len(storage._pool._idle) == 1


@pytest.mark.asyncio
async def test_pool_never_has_more_connections_than_its_limit(database_url, proxy):
    async with MySQLSessionStorage(
        through(proxy, database_url), connection_pool_limit=2, on_error="raise"
    ) as storage:
        many = [online_session(SHOP, user) for user in range(20)]
        for _ in range(10):
            await asyncio.gather(
                *map(storage.store_session, many),
                *(storage.load_session(one.id) for one in many),
                *(storage.find_sessions_by_shop(SHOP) for _ in range(5)),
                storage.ready(),
            )
        assert proxy.connections == 2


@pytest.mark.asyncio
async def test_storage_survives_a_restart_of_the_server():
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        mysql.prepare(directory)
        server = mysql.serve(directory, free_port())
        url = await asyncio.to_thread(server.__enter__)
        async with MySQLSessionStorage(url, on_error="raise") as storage:
            many = [online_session(SHOP, user) for user in range(100)]
            await asyncio.gather(*map(storage.store_session, many))
            failures: list[Exception] = []
            loads = 0
            restarted = False

            async def caller(session: Session) -> None:
                nonlocal loads
                while not restarted:
                    try:
                        assert session.equals(await storage.load_session(session.id))
                        loads += 1
                    except SessionStorageUnavailableError as error:
                        failures.append(error)
                    await asyncio.sleep(0.01)

            callers = [asyncio.ensure_future(caller(session)) for session in many[:10]]
            await asyncio.sleep(0.1)
            await asyncio.to_thread(server.__exit__, None, None, None)
            server = mysql.serve(directory, urlsplit(url).port)
            await asyncio.to_thread(server.__enter__)
            await asyncio.sleep(0.1)
            restarted = True
            await asyncio.gather(*callers)
            assert loads
            # While there was no server, a second try could not help.
            assert {failure.__cause__.args[0] for failure in failures} <= {2003, 2013}
            # What was idle while the server restarted is of no use, and nobody notices.
            loaded = await asyncio.gather(*(storage.load_session(one.id) for one in many))
            assert all(one.equals(other) for one, other in zip(many, loaded, strict=True))
            assert await storage.store_session(many[0]) is True
        await asyncio.to_thread(server.__exit__, None, None, None)


@pytest.mark.asyncio
async def test_cancelled_calls_never_mix_up_answers(database_url):
    async with MySQLSessionStorage(database_url, on_error="raise") as storage:
        await bear_cancellations(storage)


@pytest.mark.asyncio
@pytest.mark.parametrize("users", [False, True])
async def test_call_cancelled_at_any_step_leaves_no_answer_behind(database_url, users):
    async with asyncio_storage(database_url, users) as storage:
        many = [offline_session(f"{number}.example") for number in range(3)]
        await asyncio.gather(*map(storage.store_session, many))
        for steps in range(60):
            for seconds in (0, 0.0002):  # with and without time for the server to answer
                for call in (
                    storage.load_session(many[0].id),
                    storage.find_sessions_by_shop(many[0].shop),
                    storage.store_session(many[0]),
                    storage.delete_session("missing"),
                ):
                    task = asyncio.ensure_future(call)
                    for _ in range(steps // 2):
                        await asyncio.sleep(seconds)
                    task.cancel()
                    others = await asyncio.gather(
                        storage.load_session(many[1].id), storage.load_session(many[2].id)
                    )
                    await asyncio.wait([task])
                    assert many[1].equals(others[0])
                    assert many[2].equals(others[1])


@pytest.mark.asyncio
async def test_answer_that_cannot_be_decoded_leaves_nothing_behind(database_url, monkeypatch):
    async with MySQLSessionStorage(database_url, on_error="raise") as storage:
        session = offline_session(SHOP)
        await storage.store_session(session)
        await storage._fetch("ALTER TABLE shopify_sessions MODIFY accessToken mediumblob", ())
        await storage._fetch("UPDATE shopify_sessions SET accessToken = X'ff'", ())
        with pytest.raises(CorruptSessionError):
            await storage.load_session(session.id)
        # Bytes that are no text in a row that would be followed by others.
        monkeypatch.setattr(
            aiomysql.connection.MySQLResult,
            "_read_row_from_packet",
            lambda self, packet: b"\xff".decode(),
        )
        assert len(storage._pool._idle) == 1
        with pytest.raises(UnicodeDecodeError):
            await storage.find_sessions_by_shop(SHOP)
        assert len(storage._pool._idle) == 0
        monkeypatch.undo()
        assert await storage.load_session("other") is None


def test_storage_follows_to_a_new_event_loop_without_disconnect(mysql_url):
    follow_to_a_new_loop(MySQLSessionStorage(mysql_url, on_error="raise"))


def test_storage_follows_from_an_event_loop_of_uvloop(mysql_url, monkeypatch):
    def refuse(self, how):  # as uvloop's sockets do
        raise TypeError("transport sockets do not support shutdown() method")

    monkeypatch.setattr(asyncio.trsock.TransportSocket, "shutdown", refuse)
    follow_to_a_new_loop(MySQLSessionStorage(mysql_url, on_error="raise"))


@pytest.mark.asyncio
async def test_unix_socket_is_used_without_tls():
    with mysql_with() as url:
        ((path,),) = await query(url, "SELECT @@socket")
        nowhere = url.replace("127.0.0.1", "no-such-host.invalid")
        async with MySQLSessionStorage(nowhere, pool_options={"unix_socket": path}) as storage:
            assert await storage.is_ready()
            assert await storage.store_session(offline_session(SHOP)) is True


@pytest.mark.asyncio
@pytest.mark.parametrize("is_async", [False, True])
async def test_password_that_expires_is_made_for_each_connection(database_url, is_async):
    """Tokens of RDS IAM and of Azure are passwords that are good for minutes."""
    made = []

    def password():
        made.append(f"secret-{len(made)}")
        return mysql.options_of(database_url)["password"]

    async def password_later():
        await asyncio.sleep(0)
        return password()

    parts = urlsplit(database_url)
    netloc = f"{parts.username}:expired@{parts.hostname}:{parts.port}"
    storage = MySQLSessionStorage(
        parts._replace(netloc=netloc).geturl(),
        pool_options={"password": password_later if is_async else password},
        on_error="raise",
    )
    async with storage:
        await storage.store_session(offline_session(SHOP))
        before = len(made)
        await storage._recover()
        assert await storage.load_session(f"offline_{SHOP}")
        assert len(made) == before + 1


@pytest.mark.asyncio
async def test_password_that_cannot_be_made_is_a_failure_with_a_cause(database_url):
    def fails():
        raise LookupError("no credentials")

    storage = MySQLSessionStorage(database_url, pool_options={"password": fails}, on_error="raise")
    with pytest.raises(SessionStorageUnavailableError, match="LookupError") as caught:
        await storage.load_session("a")
    assert isinstance(caught.value.__cause__, LookupError)
    storage = MySQLSessionStorage(database_url, pool_options={"password": lambda: None})
    with pytest.raises(TypeError, match="str"):
        await storage.load_session("a")
    with pytest.raises(TypeError, match="password"):
        MySQLSessionStorage(database_url, pool_options={"password": 1})
