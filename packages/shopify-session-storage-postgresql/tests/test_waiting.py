"""Every wait has an end: on frozen connections, behind locks, in outages."""

import asyncio
import logging
import time
from datetime import timedelta

import asyncpg
import pytest
from shopify_session_storage import SessionStorageError, SessionStorageUnavailableError
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_postgresql import PostgreSQLSessionStorage

from .conftest import ALTER, opened, run_sql
from .meddling import Meddler

SHOP = "alpha.myshopify.com"


@pytest.mark.asyncio
@pytest.mark.parametrize("pool", ["own", "user's"])
async def test_frozen_connection_heeds_the_callers_time_limit_and_ours(database_url, pool):
    second = timedelta(seconds=1)
    async with (
        Meddler(database_url) as meddler,
        opened(meddler.url, pool, timeout=second) as storage,
    ):
        session = offline_session(SHOP)

        async def ends(call: object, error: type[BaseException], limit: float) -> None:
            await storage.store_session(session)
            meddler.freeze()
            began = time.monotonic()
            with pytest.raises(error):
                async with asyncio.timeout(limit):
                    await call()
            assert time.monotonic() - began < 3

        for call in (
            lambda: storage.load_session(session.id),
            lambda: storage.find_sessions_by_shop(SHOP),
            lambda: storage.store_session(session),
            lambda: storage.delete_session("other"),
            lambda: storage.compare_and_store(session, session),
            lambda: storage.compare_and_delete(offline_session("other.myshopify.com")),
            lambda: storage.acquire_lease("name", "holder", second),
        ):
            await ends(call, SessionStorageUnavailableError, 30)
            assert await storage.store_session(session) is True
        await ends(lambda: storage.load_session(session.id), TimeoutError, 0.3)
        assert session.equals(await storage.load_session(session.id))
        if pool == "own":
            meddler.freeze()
            began = time.monotonic()
            await storage.disconnect()
            assert time.monotonic() - began < 8


@pytest.mark.asyncio
async def test_first_use_on_a_silent_connection_of_the_users_ends(database_url, monkeypatch):
    monkeypatch.setattr("shopify_session_storage.policy._LOOKING_SECONDS", 1)
    async with (
        Meddler(database_url) as meddler,
        asyncpg.create_pool(meddler.url, min_size=2, max_size=2) as users,
    ):
        meddler.freeze()
        storage = PostgreSQLSessionStorage(users, on_error="raise", timeout=timedelta(seconds=0.1))
        began = time.monotonic()
        with pytest.raises(SessionStorageUnavailableError, match="not answered for 1 s"):
            await storage.load_session("a")
        assert time.monotonic() - began < 5
        assert await storage.load_session("a") is None  # on a new connection


@pytest.mark.asyncio
async def test_first_use_on_a_broken_connection_of_the_users_tries_a_fresh_one(database_url):
    async with (
        Meddler(database_url) as meddler,
        asyncpg.create_pool(meddler.url, min_size=2, max_size=2) as users,
    ):
        storage = PostgreSQLSessionStorage(users, on_error="raise")
        meddler.break_when_used()
        assert await storage.load_session("a") is None


@pytest.mark.asyncio
async def test_any_time_limit_is_one_that_the_server_takes(database_url):
    async with PostgreSQLSessionStorage(
        database_url, on_error="raise", timeout=timedelta(days=1000)
    ) as storage:
        assert await storage.load_session("a") is None


@pytest.mark.asyncio
async def test_locked_rows_hold_up_nobody_else(database_url):
    names = [f"{name}.myshopify.com" for name in "abcdef"]
    async with PostgreSQLSessionStorage(
        database_url, on_error="raise", timeout=timedelta(seconds=4)
    ) as storage:
        await asyncio.gather(*(storage.store_session(offline_session(name)) for name in names))
        somebody = await asyncpg.connect(database_url)
        await somebody.execute("BEGIN")
        await somebody.fetch(
            "SELECT 1 FROM shopify_sessions WHERE shop = ANY($1) FOR UPDATE", names[:2]
        )
        began = time.monotonic()
        locked = [
            asyncio.ensure_future(storage.store_session(offline_session(name)))
            for name in names[:2]
        ]
        await asyncio.sleep(0.1)
        for name in names[2:]:
            async with asyncio.timeout(3):
                assert await storage.store_session(offline_session(name)) is True
        results = await asyncio.gather(*locked, return_exceptions=True)
        assert time.monotonic() - began < 8
        assert all(isinstance(result, SessionStorageUnavailableError) for result in results)

        waiting = [
            asyncio.ensure_future(storage.store_session(offline_session(name)))
            for name in names[:2]
        ]
        await asyncio.sleep(0.2)
        await somebody.execute("ROLLBACK")
        await somebody.close()
        assert await asyncio.gather(*waiting) == [True, True]


@pytest.mark.asyncio
async def test_server_gives_up_before_we_do_and_lower_limits_of_others_stay(database_url):
    show = "SELECT current_setting('lock_timeout'), current_setting('statement_timeout')"
    for timeout, limits in ((10, ("1s", "9s")), (1, ("333ms", "900ms"))):
        async with PostgreSQLSessionStorage(
            database_url, timeout=timedelta(seconds=timeout)
        ) as storage:
            assert tuple((await storage._fetch(show, ()))[0]) == limits
    await run_sql(database_url, ALTER.format("SET statement_timeout = ''2s''"))
    async with PostgreSQLSessionStorage(database_url) as storage:
        assert tuple((await storage._fetch(show, ()))[0]) == ("1s", "2s")


@pytest.mark.asyncio
async def test_outage_is_said_by_our_logger_alone(database_url, caplog):
    async with (
        Meddler(database_url) as meddler,
        PostgreSQLSessionStorage(meddler.url, on_error="raise") as storage,
    ):
        sessions = [online_session(SHOP, user) for user in range(30)]
        await asyncio.gather(*map(storage.store_session, sessions))
        with caplog.at_level(logging.WARNING):
            meddler.go_away()
            failures = 0
            for _ in range(15):
                try:
                    await storage.load_session(sessions[0].id)
                except SessionStorageError:
                    failures += 1
                await asyncio.sleep(0.1)
            await meddler.come_back()
            assert sessions[0].equals(await storage.load_session(sessions[0].id))
            await asyncio.sleep(1.2)  # when asyncpg would have tried again by itself
        assert failures == 15
        assert [record.getMessage() for record in caplog.records if record.exc_info] == []
        assert "Traceback" not in caplog.text
