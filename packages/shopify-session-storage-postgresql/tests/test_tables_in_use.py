"""Nobody waits behind a migration, and one that is killed is completed by the next start."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time

import asyncpg
import pytest
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_postgresql import PostgreSQLSessionStorage

from .conftest import query, run_sql
from .official_table import ROWS, TABLE, has_index, long_session, works

SHOP = "alpha.myshopify.com"


@pytest.mark.asyncio
async def test_writers_do_not_queue_behind_a_migration_that_waits_for_a_transaction(
    database_url, caplog
):
    await run_sql(database_url, TABLE + ROWS.format(10))
    somebody = await asyncpg.connect(database_url)
    await somebody.execute("BEGIN; UPDATE shopify_sessions SET state = 'x' WHERE id LIKE '%_1.%'")
    storage = PostgreSQLSessionStorage(database_url, on_error="raise")
    start = asyncio.ensure_future(storage.ready())
    writer = await asyncpg.connect(database_url)
    longest = 0.0
    for _ in range(40):
        began = time.monotonic()
        await writer.execute("UPDATE shopify_sessions SET state = 'y' WHERE id LIKE '%_2.%'")
        longest = max(longest, time.monotonic() - began)
        await asyncio.sleep(0.05)
    assert longest < 3
    await start  # works with the old columns
    assert "some transaction" in caplog.text
    await works(storage, offline_session(SHOP, access_token="t", expires=None))
    await storage.disconnect()
    await somebody.execute("ROLLBACK")
    await works(storage, long_session())
    await storage.disconnect()
    for connection in (somebody, writer):
        await connection.close()


@pytest.mark.asyncio
async def test_stores_of_another_process_go_on_while_a_large_table_is_migrated(database_url):
    await run_sql(database_url, TABLE + ROWS.format(150_000))
    source = """
    import asyncio, sys, time, asyncpg

    async def main():
        connection = await asyncpg.connect(sys.argv[1])
        longest = count = 0
        print("ready", flush=True)
        end = asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        while not end.done():
            began = time.monotonic()
            await connection.execute(
                'INSERT INTO shopify_sessions (id, shop, state, "isOnline") VALUES '
                "($1, 'a', '', false) ON CONFLICT (id) DO UPDATE SET state = 'x'", f"n{count % 50}"
            )
            longest = max(longest, time.monotonic() - began)
            count += 1
            await asyncio.sleep(0)
        print(count, longest, flush=True)

    asyncio.run(main())
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(source), database_url],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    await asyncio.to_thread(process.stdout.readline)
    async with PostgreSQLSessionStorage(database_url, on_error="raise"):
        pass
    answer, _ = await asyncio.to_thread(process.communicate, "end\n")
    assert process.returncode == 0
    count, longest = answer.split()
    assert int(count) > 10
    assert float(longest) < 1
    assert await has_index(database_url)


@pytest.mark.asyncio
async def test_process_killed_while_it_builds_the_index_leaves_what_the_next_start_completes(
    database_url,
):
    await run_sql(database_url, TABLE + ROWS.format(100_000))
    reader = await asyncpg.connect(database_url)
    transaction = reader.transaction(isolation="repeatable_read")
    await transaction.start()
    await reader.fetch("SELECT 1 FROM shopify_sessions LIMIT 1")  # the build waits for it
    source = """
    import asyncio, sys
    from shopify_session_storage_postgresql import PostgreSQLSessionStorage
    asyncio.run(PostgreSQLSessionStorage(sys.argv[1]).ready())
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(source), database_url])
    building = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONC%'"
    while not (pids := await query(database_url, building)):
        assert process.poll() is None
        await asyncio.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    await asyncio.to_thread(process.wait)
    await query(database_url, f"SELECT pg_terminate_backend({pids[0][0]})")
    await transaction.rollback()
    await reader.close()
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        await works(storage, offline_session(SHOP, access_token="t", expires=None))
    assert await has_index(database_url)
    assert await query(database_url, "SELECT 1 FROM pg_index WHERE NOT indisvalid") == []
