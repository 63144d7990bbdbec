"""A connection that stays between calls keeps to the rules of the pool that it is from."""

import asyncio
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import pytest
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_postgresql import PostgreSQLSessionStorage

pytestmark = pytest.mark.asyncio

SHOP = "alpha.myshopify.com"
ID = f"offline_{SHOP}"


@asynccontextmanager
async def opened(url, **pool_options):
    """Give a storage whose connections have a name, and what counts them."""
    name = f"lending {uuid4().hex}"
    options = {"server_settings": {"application_name": name}, **pool_options}
    storage = PostgreSQLSessionStorage(url, pool_options=options, on_error="raise")
    watcher = await asyncpg.connect(url)

    async def connections():
        rows = await watcher.fetch(
            "SELECT pid FROM pg_stat_activity WHERE application_name = $1", name
        )
        return {row[0] for row in rows}

    async with storage:
        await storage.store_session(offline_session(SHOP))
        yield storage, connections
    await watcher.close()


async def until(condition):
    async with asyncio.timeout(10):
        while not await condition():
            await asyncio.sleep(0.05)


async def test_calls_one_after_another_have_one_connection(database_url):
    async with opened(database_url) as (storage, connections):
        before = await connections()
        for _ in range(50):
            await storage.load_session(ID)
            await storage.store_session(offline_session(SHOP))
        assert await connections() == before
        assert len(before) == 1


async def test_idle_connections_are_closed_as_the_pool_has_it(database_url):
    async with opened(database_url, max_inactive_connection_lifetime=0.2) as (storage, connections):
        await asyncio.gather(storage.load_session(ID), storage.find_sessions_by_shop(SHOP))
        assert await connections()

        async def all_closed():
            return not await connections()

        await until(all_closed)
        assert await storage.load_session(ID) is not None


async def test_connections_are_replaced_as_the_pool_has_it_while_calls_go_on(database_url):
    async with opened(database_url, max_queries=20) as (storage, connections):
        before = await connections()

        async def replaced():
            for _ in range(20):
                await storage.load_session(ID)
            return before.isdisjoint(await connections())

        await until(replaced)


async def test_calls_of_all_kinds_get_by_with_one_connection(database_url):
    async with opened(database_url, max_size=1) as (storage, connections):

        async def caller(number):
            session = offline_session(f"shop-{number}.myshopify.com")
            for _ in range(5):
                await storage.store_session(session)
                assert session.equals(await storage.load_session(session.id))
                assert len(await storage.find_sessions_by_shop(session.shop)) == 1

        async with asyncio.timeout(10):
            await asyncio.gather(*map(caller, range(20)))
        assert len(await connections()) == 1


async def test_a_connection_that_was_cut_while_idle_disturbs_no_call(database_url):
    async with opened(database_url, max_size=1) as (storage, connections):
        for _ in range(3):
            await storage.load_session(ID)
            cut = await connections()
            other = await asyncpg.connect(database_url)
            await other.execute("SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) pid", cut)
            await other.close()
            assert await storage.load_session(ID) is not None
            assert cut.isdisjoint(await connections())


@pytest.mark.parametrize("option", ["setup", "reset"])
async def test_what_is_to_be_done_each_time_is_done_for_each_call(database_url, option):
    done = []

    async def work(connection):
        done.append(connection)

    async with opened(database_url, **{option: work}) as (storage, _):
        before = len(done)
        for _ in range(5):
            await storage.load_session(ID)
        assert len(done) == before + 5


async def test_a_pool_of_the_user_has_its_connections_back_after_each_call(database_url):
    async with asyncpg.create_pool(database_url, min_size=0, max_size=1) as pool:
        storage = PostgreSQLSessionStorage(pool, on_error="raise")
        await storage.store_session(offline_session(SHOP))
        for _ in range(3):
            assert await storage.load_session(ID) is not None
            assert pool.get_idle_size() == 1


async def test_disconnecting_closes_what_was_kept(database_url):
    async with opened(database_url) as (storage, connections):
        await asyncio.gather(storage.load_session(ID), storage.find_sessions_by_shop(SHOP))
        await storage.disconnect()

        async def all_closed():
            return not await connections()

        await until(all_closed)
