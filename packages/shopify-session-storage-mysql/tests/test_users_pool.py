"""A pool of the user's is used as it is, and never closed."""

import asyncio

import aiomysql
import pytest
import pytest_asyncio
from servers import mysql
from servers.calling import round_trips
from servers.discovery import free_port
from shopify_session_storage import SessionStorageError, SessionStorageUnavailableError
from shopify_session_storage.testing import SessionStorageBattery
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_mysql import MySQLSessionStorage

from .conftest import (
    SHOP,
    need_mode,
    through,
)


class TestPoolOfTheUser(SessionStorageBattery):
    lacks = frozenset({"another_loop", "breakable"})

    @pytest.fixture(params=[True, False], ids=["autocommit", "transactions"])
    def autocommit(self, request):
        return request.param

    @pytest_asyncio.fixture
    async def storage(self, database_url, autocommit):
        options = mysql.options_of(database_url)
        async with aiomysql.create_pool(**options, autocommit=autocommit) as pool:
            yield MySQLSessionStorage(pool)
            async with pool.acquire() as connection:  # is left open
                assert connection.get_autocommit() is autocommit

    @pytest.fixture
    def storage_factory(self, database_url):
        return lambda: MySQLSessionStorage(database_url)

    @pytest.fixture
    def failing_storage_factory(self):
        async def make(on_error):
            pool = await aiomysql.create_pool(0, host="127.0.0.1", port=free_port(), user="u")
            return MySQLSessionStorage(pool, on_error=on_error)

        return make


@pytest.mark.asyncio
async def test_snapshot_left_open_on_the_users_pool_is_not_what_a_load_sees(database_url):
    options = mysql.options_of(database_url)
    async with (
        MySQLSessionStorage(database_url, on_error="raise") as writer,
        aiomysql.create_pool(**options, maxsize=1) as pool,
    ):
        storage = MySQLSessionStorage(pool, on_error="raise")
        session = offline_session(SHOP)
        await writer.store_session(session)
        for n in range(3):
            async with pool.acquire() as connection, connection.cursor() as cursor:
                await cursor.execute("SELECT * FROM shopify_sessions")  # begins a transaction
            session.access_token = f"newer{n}"
            await writer.store_session(session)
            assert session.equals(await storage.load_session(session.id))
            session.state = f"{n}"
            await storage.store_session(session)
            assert session.equals(await writer.load_session(session.id))


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [1, 2])
async def test_cancelled_call_leaves_its_place_in_the_users_pool(database_url, size):
    async with aiomysql.create_pool(
        **mysql.options_of(database_url), maxsize=size, autocommit=True
    ) as pool:
        storage = MySQLSessionStorage(pool, on_error="raise")
        session = offline_session(SHOP)
        await storage.store_session(session)
        for turn in range(20):
            tasks = [
                asyncio.ensure_future(call)
                for call in (
                    storage.load_session("a"),
                    storage.find_sessions_by_shop("a"),
                    storage.load_session("b"),
                    storage.find_sessions_by_shop("b"),
                )
            ]
            for _ in range(turn):
                await asyncio.sleep(0)
            for task in tasks[:3]:
                task.cancel()
            async with asyncio.timeout(5):
                assert await tasks[3] == []
                await asyncio.gather(*tasks, return_exceptions=True)
                assert session.equals(await storage.load_session(session.id))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"charset": "latin1"}, "utf8mb4"),
        ({"charset": "gbk"}, "utf8mb4"),
        ({"init_command": "SET NAMES latin1"}, "utf8mb4"),
        ({"use_unicode": False}, "use_unicode"),
        ({"db": None}, "db="),
        ({"init_command": "SET sql_mode = 'EMPTY_STRING_IS_NULL'"}, "EMPTY_STRING_IS_NULL"),
    ],
)
async def test_unusable_pools_are_refused_with_a_hint(database_url, options, hint):
    if hint == "EMPTY_STRING_IS_NULL":
        await need_mode(database_url, hint)
    async with aiomysql.create_pool(**{**mysql.options_of(database_url), **options}) as pool:
        with pytest.raises(ValueError, match=hint):
            await MySQLSessionStorage(pool).ready()


@pytest.mark.asyncio
@pytest.mark.parametrize(("autocommit", "expected"), [(True, 1), (False, 3)])
async def test_pool_of_the_user_takes_as_many_round_trips_as_documented(
    database_url, proxy, autocommit, expected
):
    options = mysql.options_of(through(proxy, database_url))
    async with aiomysql.create_pool(**options, autocommit=autocommit) as pool:
        storage = MySQLSessionStorage(pool, on_error="raise")
        await storage.ready()
        assert await round_trips(storage, proxy) == [expected] * 6


@pytest.mark.asyncio
@pytest.mark.parametrize("end", ["close", "terminate"])
async def test_pool_that_was_closed_is_one_clear_failure(database_url, end, caplog):
    for policy in ("raise", "log"):
        pool = await aiomysql.create_pool(**mysql.options_of(database_url), autocommit=True)
        storage = MySQLSessionStorage(pool, on_error=policy)
        await storage.store_session(offline_session(SHOP))
        under_way = [asyncio.ensure_future(storage.find_sessions_by_shop(SHOP)) for _ in range(5)]
        await asyncio.sleep(0.001)
        getattr(pool, end)()
        await pool.wait_closed()
        await asyncio.gather(*under_way, return_exceptions=True)
        if policy == "raise":
            with pytest.raises(SessionStorageUnavailableError, match="has been closed"):
                await storage.load_session("a")
        else:
            assert await storage.load_session("a") is None
            assert await storage.store_session(offline_session(SHOP)) is False
            assert "has been closed" in caplog.text
        for task in under_way:
            error = task.exception()
            assert error is None or isinstance(error, SessionStorageError), error


def test_pool_of_another_event_loop_is_a_clear_failure(mysql_url):
    async def make():
        pool = await aiomysql.create_pool(0, **mysql.options_of(mysql_url))
        return MySQLSessionStorage(pool, on_error="raise")

    storage = asyncio.run(make())
    with pytest.raises(SessionStorageUnavailableError, match="another event loop"):
        asyncio.run(storage.load_session("a"))
