"""Connections of our own: lost, ended by the server, cancelled, made anew."""

import asyncio
import tempfile
from pathlib import Path

import asyncpg
import pytest
from servers import postgresql
from servers.disturbing import bear_cancellations, bear_cuts, follow_to_a_new_loop
from shopify_session_storage import Session, SessionStorageUnavailableError
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_postgresql import PostgreSQLSessionStorage

from .conftest import through

SHOP = "alpha.myshopify.com"


@pytest.mark.asyncio
async def test_lost_connections_never_reach_the_caller(database_url, proxy):
    async with PostgreSQLSessionStorage(through(proxy, database_url), on_error="raise") as storage:
        await bear_cuts(storage, proxy.cut)


@pytest.mark.asyncio
async def test_connections_ended_by_the_server_never_reach_the_caller(database_url):
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        session = offline_session(SHOP)
        await storage.store_session(session)
        other = await asyncpg.connect(database_url)
        for _ in range(15):  # more often than the pool has connections
            await other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            loads = [storage.load_session(session.id) for _ in range(20)]
            assert all(session.equals(loaded) for loaded in await asyncio.gather(*loads))
        await other.close()


@pytest.mark.asyncio
async def test_storage_survives_a_restart_of_the_server():
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        with postgresql.local(directory) as url:
            async with PostgreSQLSessionStorage(url, on_error="raise") as storage:
                many = [online_session(SHOP, user) for user in range(100)]
                await asyncio.gather(*map(storage.store_session, many))
                failures: list[Exception] = []
                restarted = False

                async def caller(session: Session) -> None:
                    while not restarted:
                        try:
                            assert session.equals(await storage.load_session(session.id))
                        except SessionStorageUnavailableError as error:
                            failures.append(error)
                        await asyncio.sleep(0.01)

                callers = [asyncio.ensure_future(caller(session)) for session in many[:10]]
                await asyncio.to_thread(postgresql.restart, directory)
                restarted = True
                await asyncio.gather(*callers)
                # What was idle while the server restarted is of no use, and nobody notices.
                loaded = await asyncio.gather(*(storage.load_session(one.id) for one in many))
                assert all(one.equals(other) for one, other in zip(many, loaded, strict=True))
                assert await storage.store_session(many[0]) is True
            postgresql.stop(directory)


@pytest.mark.asyncio
async def test_cancelled_calls_never_mix_up_answers(database_url):
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        await bear_cancellations(storage)


def test_storage_follows_to_a_new_event_loop_without_disconnect(postgresql_url):
    follow_to_a_new_loop(PostgreSQLSessionStorage(postgresql_url, on_error="raise"))
