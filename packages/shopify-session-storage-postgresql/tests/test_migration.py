"""Tables that the official JavaScript adapter made, at any age, become ours and stay its own."""

import asyncio
import subprocess
import sys
import textwrap
from pathlib import Path

import asyncpg
import golden
import pytest
from servers.naming import take_any_name
from shopify_session_storage_postgresql import PostgreSQLSessionStorage

from .conftest import query, run_sql

DATA = Path(__file__).parent / "data"

OLD = {
    "postgresql_v1_0": "shopify_sessions",
    "postgresql_v1_0_mixed_case_table": "MyAppSessions",
    "postgresql_v5": "shopify_sessions",
}
JAVASCRIPT_NAMES = {
    "migrateScopeFieldToVarchar1024",
    "migrateToCaseSensitivity",
    "migrateToRefreshTokens",
    "addUserInfoColumns",
}


async def restore(url: str, name: str) -> dict:
    """Restore a database of an old release, and return what JavaScript loads from it."""
    await run_sql(url, (DATA / "old_schemas" / f"{name}.sql").read_text())
    return golden.load(DATA / "old_schemas" / f"{name}_after_js.json")["loads"]


async def check_loads(url: str, expected: dict, table: str = "shopify_sessions") -> None:
    """Compare all that the storage loads and finds with what JavaScript does."""
    async with PostgreSQLSessionStorage(url, session_table_name=table, on_error="raise") as storage:
        await golden.assert_loads(storage, expected)


async def check_upgraded(url: str, table: str = "shopify_sessions") -> None:
    columns = dict(
        await query(
            url,
            "SELECT column_name, data_type FROM information_schema.columns "
            f"WHERE table_name = '{table}' AND table_schema = 'public'",
        )
    )
    assert "onlineAccessInfo" not in columns
    assert len(columns) == 17
    for name in ("scope", "accessToken", "refreshToken", "state", "email"):
        assert columns[name] == "text"
    for name in ("expires", "refreshTokenExpires", "userId"):
        assert columns[name] == "bigint"
    names = [name for (name,) in await query(url, "SELECT * FROM shopify_sessions_migrations")]
    assert len(names) == len(set(names))
    assert set(names) > JAVASCRIPT_NAMES
    indexes = await query(url, f"SELECT indexdef FROM pg_indexes WHERE tablename = '{table}'")
    assert any("(shop)" in index for (index,) in indexes)


@pytest.mark.asyncio
async def test_database_of_todays_adapter_is_read_with_every_value_right(database_url):
    await run_sql(database_url, (DATA / "golden" / "dump.sql").read_text())
    everything = 'SELECT * FROM shopify_sessions ORDER BY id COLLATE "C"'
    rows = await query(database_url, everything)
    await check_loads(database_url, golden.load(DATA / "golden" / "expected_loads.json"))
    await check_upgraded(database_url)
    assert await query(database_url, everything) == rows


@pytest.mark.asyncio
@pytest.mark.parametrize("name", OLD)
async def test_old_database_is_upgraded_with_every_row(database_url, name):
    loads = await restore(database_url, name)
    for _ in range(2):  # the second time there is nothing left to do
        await check_loads(database_url, loads, OLD[name])
        await check_upgraded(database_url, OLD[name])
    count = await query(database_url, f'SELECT count(*) FROM "{OLD[name]}"')
    assert count == [(sum(one is not None for one in loads["loadSession"].values()),)]


@pytest.mark.asyncio
@pytest.mark.parametrize("name", OLD)
async def test_printed_sql_does_what_the_migration_does(database_url, name):
    loads = await restore(database_url, name)
    storage = PostgreSQLSessionStorage(database_url, session_table_name=OLD[name])
    await run_sql(database_url, await storage.migration_sql())
    assert await storage.migration_sql() == ""
    await check_upgraded(database_url, OLD[name])
    await check_loads(database_url, loads, OLD[name])


@pytest.mark.asyncio
async def test_tables_may_have_any_name(database_url):
    await take_any_name(
        lambda name: PostgreSQLSessionStorage(
            database_url, session_table_name=name, on_error="raise"
        )
    )


@pytest.mark.asyncio
async def test_odd_old_user_ids_do_not_stop_the_migration(database_url):
    await restore(database_url, "postgresql_v5")
    await run_sql(
        database_url,
        'INSERT INTO shopify_sessions (id, shop, state, "isOnline", "onlineAccessInfo") VALUES '
        "('a', 'odd.example', '', true, 'abc'), ('b', 'odd.example', '', true, ''), "
        "('c', 'odd.example', '', true, '98765432101.0')",
    )
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        found = await storage.find_sessions_by_shop("odd.example")
    ids = {session.id: session.online_access_info.associated_user.id for session in found}
    assert ids == {"a": None, "b": None, "c": 98765432101}


@pytest.mark.asyncio
async def test_two_tables_may_share_one_record(database_url):
    loads = await restore(database_url, "postgresql_v5")
    await run_sql(database_url, "CREATE TABLE second (LIKE shopify_sessions INCLUDING ALL)")
    await run_sql(database_url, "INSERT INTO second SELECT * FROM shopify_sessions")
    await check_loads(database_url, loads)
    await check_loads(database_url, loads, "second")
    await check_upgraded(database_url, "second")


def starting(url: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a process that opens the database; with a number, it dies before that statement."""
    source = """
    import asyncio, os, signal, sys
    from shopify_session_storage_postgresql import PostgreSQLSessionStorage, connections

    url, left = sys.argv[1], [int(argument) for argument in sys.argv[2:]]
    fetch = connections.fetch_unnamed

    async def counting(connection, sql, parameters):
        if left:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return await fetch(connection, sql, parameters)

    connections.fetch_unnamed = counting

    async def main():
        async with PostgreSQLSessionStorage(url, on_error="raise") as opened:
            await opened.find_sessions_by_shop("old-store.myshopify.com")

    asyncio.run(main())
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(source), url, *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.asyncio
@pytest.mark.parametrize("old", [None, "postgresql_v1_0", "postgresql_v5"])
async def test_twenty_processes_start_at_once(database_url, old):
    loads = await restore(database_url, old) if old else None
    for process in [starting(database_url) for _ in range(20)]:
        _, errors = process.communicate(timeout=100)
        assert process.returncode == 0, errors
    await check_upgraded(database_url)
    if loads:
        await check_loads(database_url, loads)


@pytest.mark.asyncio
@pytest.mark.parametrize("old", [None, "postgresql_v1_0"])
async def test_process_killed_at_any_statement_leaves_what_the_next_start_completes(
    database_url, old
):
    survived = False
    for statement in range(60):
        await run_sql(database_url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        loads = await restore(database_url, old) if old else None
        process = starting(database_url, statement)
        _, errors = await asyncio.to_thread(process.communicate, timeout=60)
        survived = process.returncode == 0
        assert survived or process.returncode == -9, errors
        async with PostgreSQLSessionStorage(database_url) as storage:
            await storage.ready()
        await check_upgraded(database_url)
        if loads:
            await check_loads(database_url, loads)
        if survived:
            break
    assert survived
    assert statement > 10


@pytest.mark.asyncio
async def test_tables_that_javascript_creates_at_the_same_moment_do_no_harm(database_url):
    fresh = """
        CREATE TABLE IF NOT EXISTS "shopify_sessions" ("id" varchar(255) NOT NULL PRIMARY KEY,
            "shop" varchar(255) NOT NULL, "state" varchar(255) NOT NULL,
            "isOnline" boolean NOT NULL, "scope" varchar(1024), "expires" integer,
            "accessToken" varchar(255), "refreshToken" varchar(255),
            "refreshTokenExpires" bigint, "userId" bigint, "firstName" varchar(255),
            "lastName" varchar(255), "email" varchar(255), "accountOwner" boolean,
            "locale" varchar(255), "collaborator" boolean, "emailVerified" boolean);
        CREATE TABLE IF NOT EXISTS shopify_sessions_migrations
            (migration_name varchar(255) NOT NULL PRIMARY KEY);
    """
    for _ in range(10):
        await run_sql(database_url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        javascript = await asyncpg.connect(database_url)
        storages = [PostgreSQLSessionStorage(database_url) for _ in range(3)]
        _, *others = await asyncio.gather(
            javascript.execute(fresh),
            *(storage.ready() for storage in storages),
            return_exceptions=True,  # JavaScript's own statement may lose the race
        )
        await asyncio.gather(*(storage.disconnect() for storage in storages))
        await javascript.close()
        assert others == [None] * 3
        await check_upgraded(database_url)
