"""What is sent: round trips, indexes, rows as documented."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest
from hypothesis import given
from servers.calling import round_trips
from servers.coming_back import comes_back, some_examples
from servers.disturbing import travel_together
from shopify_session_storage import Session
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage.testing.strategies import sessions
from shopify_session_storage_postgresql import PostgreSQLSessionStorage

from .conftest import through

SHOP = "alpha.myshopify.com"


@given(session=sessions())
@some_examples
@pytest.mark.asyncio
async def test_what_is_stored_comes_back(postgresql_url, session: Session):
    async with PostgreSQLSessionStorage(postgresql_url, on_error="raise") as storage:
        await comes_back(storage, session)


@pytest.mark.asyncio
async def test_every_operation_is_one_round_trip(database_url, proxy):
    async with PostgreSQLSessionStorage(through(proxy, database_url), on_error="raise") as storage:
        await round_trips(storage, proxy)  # statements are prepared once for each connection
        assert await round_trips(storage, proxy) == [1] * 6
        assert proxy.connections == 0


@pytest.mark.asyncio
async def test_calls_that_wait_travel_in_few_round_trips(database_url, proxy):
    async with PostgreSQLSessionStorage(through(proxy, database_url), on_error="raise") as storage:
        await travel_together(storage, proxy)


@pytest.mark.asyncio
async def test_load_find_and_delete_use_an_index(database_url):
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        await asyncio.gather(
            *(storage.store_session(offline_session(f"{n}.example")) for n in range(2000))
        )
        await storage._fetch("ANALYZE shopify_sessions", ())
        for sql, parameters in (
            (storage._select + storage._is_one_of(storage._id, ["a"])[0], ["a"]),
            (storage._select + storage._is_one_of(storage._id, ["a", "b"])[0], [["a", "b", "c"]]),
            (storage._select + storage._is_one_of(storage._shop, [SHOP])[0], [SHOP]),
            (storage._select + storage._is_one_of(storage._shop, [SHOP, "b"])[0], [[SHOP, "b"]]),
            (storage._delete_from + storage._is_one_of(storage._id, ["a", "b"])[0], [["a", "b"]]),
        ):
            plan = "\n".join(row[0] for row in await storage._fetch(f"EXPLAIN {sql}", parameters))
            assert "Index" in plan
            assert "Seq Scan" not in plan


@pytest.mark.asyncio
async def test_no_call_scans_the_table_however_small_it_is_when_the_plan_is_made(database_url):
    sessions = [online_session(SHOP, user) for user in range(30)]
    async with PostgreSQLSessionStorage(database_url):
        pass  # creates the table
    server = await asyncpg.connect(database_url)

    async def scans() -> int:
        # A connection's scans are counted before it disappears from the list.
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        while await server.fetchval(others) > 1:
            await asyncio.sleep(0.01)
        return await server.fetchval(
            "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'shopify_sessions'"
        )

    before = await scans()
    storage = PostgreSQLSessionStorage(database_url, pool_options={"max_size": 1}, on_error="raise")
    async with storage:
        for _ in range(8):  # after the fifth time the server keeps a plan
            await asyncio.gather(*map(storage.store_session, sessions))
            await asyncio.gather(*(storage.load_session(one.id) for one in sessions))
            await asyncio.gather(*(storage.find_sessions_by_shop(f"{n}") for n in range(10)))
            await storage.delete_sessions(one.id for one in sessions)
    assert await scans() == before
    await server.close()


@pytest.mark.asyncio
async def test_big_shops_many_ids_and_many_tasks(database_url):
    late = timedelta(minutes=2)  # on a busy machine
    async with PostgreSQLSessionStorage(database_url, on_error="raise", timeout=late) as storage:
        many = [online_session(SHOP, user) for user in range(10_000)]
        await asyncio.gather(*map(storage.store_session, many))
        assert len(await storage.find_sessions_by_shop(SHOP)) == 10_000

        async def task(number: int) -> None:
            for session in many[number::200]:
                assert session.equals(await storage.load_session(session.id))

        await asyncio.gather(*map(task, range(200)))
        assert storage._lender.pool.get_size() <= 10
        assert await storage.delete_sessions(session.id for session in many) is True
        assert await storage.find_sessions_by_shop(SHOP) == []


@pytest.mark.asyncio
async def test_stored_row_is_laid_out_as_documented(database_url):
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        await storage.store_session(offline_session(SHOP, access_token="t", refresh_token="r"))
    connection = await asyncpg.connect(database_url)
    row = dict(await connection.fetchrow("SELECT * FROM shopify_sessions"))
    names = await connection.fetch("SELECT migration_name FROM shopify_sessions_migrations")
    await connection.close()
    assert row.pop("expires") == 1935817689  # seconds
    assert row.pop("refreshTokenExpires") == 1943578921000  # milliseconds
    assert {name: value for name, value in row.items() if value is not None} == {
        "id": "offline_alpha.myshopify.com",
        "shop": SHOP,
        "state": "nonce",
        "isOnline": False,
        "scope": "read_products,write_orders",
        "accessToken": "t",
        "refreshToken": "r",
    }
    assert sorted(row[0] for row in names) == [
        "addUserInfoColumns",
        "migrateScopeFieldToVarchar1024",
        "migrateToCaseSensitivity",
        "migrateToRefreshTokens",
        "python_upgrade_shopify_sessions",
    ]
