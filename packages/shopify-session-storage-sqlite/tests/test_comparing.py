"""compare_and_store() and leases on SQLite: processes, connections of the user's, old databases."""

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta

import aiosqlite
import pytest
from servers.racing import count_in_processes, first_lease_in_processes, lease_of_the_dead
from shopify_session_storage import RdbmsSessionStorageMigratorOptions
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_sqlite import SQLiteSessionStorage

from .conftest import query

SESSION = offline_session("shop.myshopify.com")
MINUTE = timedelta(minutes=1)


def test_two_processes_count_together(path):
    count_in_processes(f"sqlite:///{path}", {"on_error": "raise"})


def test_lease_of_a_dead_process_ends(path):
    lease_of_the_dead(f"sqlite:///{path}", {"on_error": "raise"})


def test_database_from_before_the_leases_gets_them_with_the_first_one(path):
    asyncio.run(set_up(path))
    query(path, "DROP TABLE shopify_sessions_leases")
    first_lease_in_processes(f"sqlite:///{path}", {"on_error": "raise"})
    assert query(path, "SELECT name FROM shopify_sessions_leases") == [("name",)]


async def set_up(path):
    async with SQLiteSessionStorage(path, on_error="raise") as storage:
        assert await storage.migration_sql() == ""


@pytest.mark.asyncio
async def test_migration_sql_shows_the_leases_of_a_database_that_has_none(path):
    await set_up(path)
    query(path, "DROP TABLE shopify_sessions_leases")
    storage = SQLiteSessionStorage(path, on_error="raise")
    sql = await storage.migration_sql()
    assert sql.startswith('CREATE TABLE IF NOT EXISTS "shopify_sessions_leases" (')
    assert query(path, "SELECT name FROM sqlite_master WHERE name LIKE '%leases'") == []
    async with storage:
        assert await storage.store_session(SESSION)  # needs no leases
        assert await storage.migration_sql() == sql
    query(path, sql)
    assert await storage.migration_sql() == ""


@pytest.mark.asyncio
async def test_long_names_of_tables_have_leases_too(path):
    for name in ("a" * 255, "b" * 255):
        async with SQLiteSessionStorage(path, session_table_name=name, on_error="raise") as storage:
            assert await storage.acquire_lease("name", "holder", MINUTE)
            assert not await storage.acquire_lease("name", "other", MINUTE)


def test_leases_and_migrations_cannot_be_in_one_table():
    options = RdbmsSessionStorageMigratorOptions(migration_db_identifier="s_leases")
    with pytest.raises(ValueError, match="leases and migrations cannot be in one table"):
        SQLiteSessionStorage(":memory:", session_table_name="s", migrator_options=options)


@pytest.mark.asyncio
async def test_connection_of_the_user_is_left_without_a_transaction(path):
    async with (
        aiosqlite.connect(path) as connection,
        SQLiteSessionStorage(connection, on_error="raise") as storage,
    ):
        for call in (
            storage.compare_and_store(SESSION, None),
            storage.compare_and_store(SESSION, None),
            storage.acquire_lease("name", "a", MINUTE),
            storage.acquire_lease("name", "b", MINUTE),
            storage.release_lease("name", "a"),
        ):
            await call
            assert not connection.in_transaction
        assert query(path, "SELECT id FROM shopify_sessions") == [(SESSION.id,)]


@pytest.mark.asyncio
async def test_cancelled_comparison_never_comes_after_the_next_write(path):
    async with SQLiteSessionStorage(path, on_error="raise") as storage:
        for turn in range(20):
            call = asyncio.ensure_future(storage.compare_and_store(SESSION, None))
            for _ in range(turn):
                await asyncio.sleep(0)
            call.cancel()
            with suppress(asyncio.CancelledError):
                await call
            await storage.delete_session(SESSION.id)
            assert query(path, "SELECT id FROM shopify_sessions") == []
            await asyncio.sleep(0.005)
            assert query(path, "SELECT id FROM shopify_sessions") == []


@pytest.fixture(params=["own", "borrowed"])
def opened(request, path):
    """Return what gives a storage, with connections of either kind."""

    @asynccontextmanager
    async def open():
        if request.param == "own":
            async with SQLiteSessionStorage(path, on_error="raise") as storage:
                yield storage
        else:
            async with aiosqlite.connect(path) as connection:
                yield SQLiteSessionStorage(connection, on_error="raise")
                assert not connection.in_transaction

    return open


@pytest.mark.asyncio
@pytest.mark.parametrize("access", ["a", "", None])
@pytest.mark.parametrize("refresh", ["r", "", None])
async def test_compared_delete_tells_every_pair_of_tokens_from_every_other(opened, access, refresh):
    stored = replace(SESSION, access_token=access, refresh_token=refresh)
    async with opened() as storage:
        for one in ("a", "", None, "A", "a "):
            for other in ("r", "", None):
                await storage.store_session(stored)
                expected = replace(SESSION, access_token=one, refresh_token=other)
                same = (one, other) == (access, refresh)
                assert await storage.compare_and_delete(expected) is same
                assert (await storage.load_session(SESSION.id) is None) is same
        await storage.delete_session(SESSION.id)
        assert await storage.compare_and_delete(stored) is True


@pytest.mark.asyncio
async def test_compared_deletes_travel_together_in_one_transaction(opened):
    async with opened() as storage:
        many = [online_session("s", user, access_token=f"{user % 2}") for user in range(40)]
        await asyncio.gather(*map(storage.store_session, many))
        seen = []
        connection = storage._borrowed or storage._writer
        await connection.run(lambda raw: raw.set_trace_callback(seen.append))
        results = await asyncio.gather(
            *(storage.compare_and_delete(replace(one, access_token="1")) for one in many)
        )
        assert results == [one.access_token == "1" for one in many]
        assert {one.id for one in await storage.find_sessions_by_shop("s")} == {
            one.id for one in many if one.access_token == "0"
        }
        assert sum(sql.startswith("COMMIT") for sql in seen) <= 2


@pytest.mark.asyncio
async def test_compared_deletes_go_by_the_primary_key(path):
    async with SQLiteSessionStorage(path, on_error="raise") as storage:
        plans = []

        def plan(raw):
            (sql, parameters), _ = work.args
            plans.extend(row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {sql}", parameters))

        async def take(given, **_):
            nonlocal work
            work = given
            return []

        work = None
        run, storage._writer.run = storage._writer.run, take
        await storage._compare_and_delete([SESSION, online_session("s")])
        storage._writer.run = run
        await run(plan)
        assert not [one for one in plans if one.startswith("SCAN") and "expected" not in one
                    and "CONSTANT" not in one and not one.startswith("SCAN e")]  # fmt: skip
        assert any("USING INDEX" in one for one in plans)


def test_two_processes_delete_what_they_expect(path):
    asyncio.run(set_up(path))
    store = SQLiteSessionStorage(path, on_error="raise")

    async def race():
        async with SQLiteSessionStorage(path, on_error="raise") as first, store as second:
            for turn in range(40):
                old = replace(SESSION, access_token=f"old {turn}")
                new = replace(SESSION, access_token=f"new {turn}")
                await first.store_session(old)
                deleted, _ = await asyncio.gather(
                    first.compare_and_delete(old), second.store_session(new)
                )
                # Whichever came first: what is new is never gone.
                assert new.equals(await first.load_session(SESSION.id)), deleted

    asyncio.run(race())
