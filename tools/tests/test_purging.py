"""Purging and walking through many sessions on real servers.

``--times 100`` and more takes a million rows; otherwise it is some thousands.
"""

import asyncio
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from servers.places import place
from shopify_session_storage import open_session_storage
from shopify_session_storage.testing.sessions import online_session

MANY = 100  # --times from which on it is a million rows
NOW = datetime.now(UTC).replace(microsecond=0)
LONG_AGO, LATER = NOW - timedelta(days=9), NOW + timedelta(days=9)

# Every fifth one is dead. The dates are in seconds.
FILL = """
    INSERT INTO {table} (id, shop, state, "isOnline", scope, expires, "accessToken", "userId")
    SELECT 'shop-' || n || '.myshopify.com_1', 'shop-' || n || '.myshopify.com', '', {true},
           'read_products,write_orders', CASE WHEN n % 5 = 0 THEN {past} ELSE {later} END,
           'shpua_0123456789abcdef0123456789abcdef', 1
    FROM {numbers}
"""
NUMBERS = {
    "postgresql": "generate_series(1, {count}) AS numbers(n)",
    "sqlite": "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count})"
    " SELECT n FROM s)",
}


def fill_of(backend, table, count):
    return FILL.format(
        table=table,
        true="true" if backend == "postgresql" else "1",
        past=int(LONG_AGO.timestamp()),
        later=int(LATER.timestamp()),
        numbers=NUMBERS[backend].format(count=count),
    )


async def fill(backend, url, options, count):
    """Make a table with so many sessions."""
    async with open_session_storage(url, **options):
        pass
    sql = fill_of(backend, options.get("session_table_name", "shopify_sessions"), count)
    if backend == "sqlite":
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.execute(sql)
            connection.commit()
        return
    connection = await asyncpg.connect(url)
    await connection.execute(sql)
    await connection.execute(f"VACUUM ANALYZE {options['session_table_name']}")
    await connection.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request):
    return request.param


@pytest.fixture
def address(backend, request, tmp_path):
    url = "" if backend == "sqlite" else request.getfixturevalue(f"{backend}_url")
    return place(backend, url, tmp_path)


def resident_bytes():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def test_a_walk_takes_the_memory_of_a_page(backend, address, times):
    url, options = address
    count = 1_000_000 if times >= MANY else 20_000

    async def walk():
        await fill(backend, url, options, count)
        async with open_session_storage(url, **options) as storage:
            seen = most = 0
            begun = time.monotonic()
            before = None
            async for page in storage.scan_sessions():
                seen += len(page.sessions)
                before = before or resident_bytes()  # with the first page
                most = max(most, resident_bytes())
            return seen, most - before, time.monotonic() - begun

    seen, grown, seconds = asyncio.run(walk())
    assert seen == count
    assert grown < 20_000_000
    print(
        f"{backend}: {count} sessions in {seconds:.1f} s, {grown / 1e6:.1f} MB more than one page"
    )


PURGER = """
    import asyncio, sys
    from shopify_session_storage import open_session_storage

    async def purge():
        async with open_session_storage(sys.argv[1], **eval(sys.argv[2])) as storage:
            print("begun", flush=True)
            report = await storage.purge_expired(batch=int(sys.argv[3]))
            print(report.deleted, flush=True)

    asyncio.run(purge())
"""


def test_a_purge_that_is_killed_goes_on(backend, address, times):
    url, options = address
    count, kills = (400_000, 20) if times >= MANY else (20_000, 2)
    asyncio.run(fill(backend, url, options, count))
    command = [sys.executable, "-c", textwrap.dedent(PURGER), url, repr(options), "100"]
    killed = 0
    while killed < kills:
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout.readline() == b"begun\n"
            time.sleep(random.uniform(0.05, 0.4))
            os.kill(process.pid, signal.SIGKILL)
            if process.wait() != -signal.SIGKILL:
                break  # it had come to its end
            killed += 1
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    last = int(done.stdout.split()[-1])

    async def left():
        async with open_session_storage(url, **options) as storage:
            sessions = [one async for page in storage.scan_sessions() for one in page.sessions]
            return len(sessions), sum(one.expires < NOW for one in sessions)

    assert asyncio.run(left()) == (count - count // 5, 0)
    print(f"{backend}: killed {killed} times, the last run deleted {last} of {count // 5}")


@pytest.mark.parametrize("backend", ["postgresql"])
def test_a_purge_under_load_disturbs_no_load(backend, address, times):
    """200 stores a second and as many loads, without a purge and beside one."""
    url, options = address
    count = 1_000_000 if times >= MANY else 20_000
    quiet_seconds = 20 if times >= MANY else 2

    async def measure(storage, over):
        """Load and store at a steady pace until it is over; return how long loads took."""
        took = []
        running = set()
        started = time.monotonic()

        async def load(number):
            begun = time.monotonic()
            await storage.load_session(f"shop-{number}.myshopify.com_1")
            took.append(time.monotonic() - begun)

        turn = 0
        while not over():
            shop = random.randrange(count)
            new = online_session(f"shop-{shop}.myshopify.com", 1, expires=LATER)
            for call in (storage.store_session(new), load(random.randrange(count))):
                task = asyncio.ensure_future(call)
                running.add(task)
                task.add_done_callback(running.discard)
            turn += 1
            await asyncio.sleep(max(0, started + turn / 200 - time.monotonic()))
        await asyncio.gather(*running)
        took.sort()
        return (
            took[len(took) // 2],
            took[len(took) * 99 // 100],
            turn / (time.monotonic() - started),
        )

    command = [sys.executable, "-c", textwrap.dedent(PURGER), url, repr(options), "500"]

    async def run():
        await fill(backend, url, options, count)
        async with open_session_storage(url, **options) as storage:
            end = time.monotonic() + quiet_seconds
            await measure(storage, lambda: time.monotonic() > end - quiet_seconds / 2)  # warm
            end = time.monotonic() + quiet_seconds
            quiet = await measure(storage, lambda: time.monotonic() > end)
            begun = time.monotonic()
            purge = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
            told = asyncio.ensure_future(purge.communicate())
            beside = await measure(storage, told.done)
            seconds = time.monotonic() - begun
            deleted = int((await told)[0].split()[-1])
            return quiet, beside, seconds, deleted

    quiet, beside, seconds, deleted = asyncio.run(run())
    print(
        f"{count} rows, {deleted} purged in {seconds:.1f} s; loads p50/p99 quiet "
        f"{quiet[0] * 1e3:.1f}/{quiet[1] * 1e3:.1f} ms, beside {beside[0] * 1e3:.1f}/"
        f"{beside[1] * 1e3:.1f} ms; {quiet[2]:.0f} and {beside[2]:.0f} stores a second"
    )
    # Some of the dead have been stored anew before their turn came.
    assert count // 10 < deleted <= count // 5
    if times >= MANY:  # else it is over in a moment
        assert beside[1] < 2 * quiet[1]
