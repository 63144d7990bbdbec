"""How long loads take beside a purge, in the same process or in another one.

By default this shows that it works at all. ``--times 100`` measures, in five rounds of quiet and
purge in turn; ``--times 1000`` in one round with a million rows, on SQLite and PostgreSQL.
"""

import asyncio
import random
import subprocess
import sys
import textwrap
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from statistics import quantiles

import pytest
from servers.places import place
from shopify_session_storage import open_session_storage

from .many_sessions import LONG_AGO, fill, numbered

PER_SECOND = 200  # loads, and stores
MEASURED, MILLION = 100, 1000  # --times from which on it is done

# Milliseconds. So long a load may wait on two processors for any other process that computes half
# of the time, because the kernel lets that one finish its slice.
SLICE = 4

PURGER = """
    import asyncio, sys
    from shopify_session_storage import open_session_storage

    async def purge():
        async with open_session_storage(sys.argv[1], **eval(sys.argv[2])) as storage:
            print("ready", flush=True)
            sys.stdin.readline()
            print((await storage.purge_expired()).deleted, flush=True)

    asyncio.run(purge())
"""


class Traffic:
    """Loads and stores of sessions that live, at a steady pace.

    Attributes:
        now: What goes on.
        over: Whether to end.
        took: How long loads took, in milliseconds, by what went on when they began.
    """

    def __init__(self, storage, count):
        self.now = "warm-up"
        self.over = False
        self.took = {"warm-up": [], "quiet": [], "purge": []}
        self._storage = storage
        self._count = count
        self._calls = set()

    async def _load(self, session):
        took, begun = self.took[self.now], time.perf_counter()
        assert (await self._storage.load_session(session.id)).id == session.id
        took.append((time.perf_counter() - begun) * 1000)

    async def _store(self, session):
        assert await self._storage.store_session(session)

    async def _call(self, what):
        due = time.perf_counter() + random.random() / PER_SECOND
        while not self.over:
            lives = numbered(random.randrange(self._count // 5) * 5 + 1)
            self._calls.add(asyncio.ensure_future(what(lives)))
            due += 1 / PER_SECOND
            await asyncio.sleep(max(0, due - time.perf_counter()))

    async def run(self):
        await asyncio.gather(self._call(self._load), self._call(self._store))
        await asyncio.gather(*self._calls)

    def p99(self, when):
        return quantiles(self.took[when], n=100)[98]


@asynccontextmanager
async def purging(where, storage, url, options):
    """Make ready for a purge, and give what runs it and returns how many sessions it deleted."""
    if where == "here":

        async def run():
            return (await storage.purge_expired()).deleted

        yield run
        return
    command = [sys.executable, "-c", textwrap.dedent(PURGER), url, repr(options)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = await asyncio.create_subprocess_exec(*command, **pipes)
    assert await process.stdout.readline() == b"ready\n"

    async def tell():
        return int((await process.communicate(b"go\n"))[0])

    yield tell


@pytest.mark.parametrize("where", ["here", "elsewhere"])
@pytest.mark.parametrize("backend", ["sqlite", "postgresql", "mysql", "redis"])
def test_a_purge_keeps_no_load_waiting(backend, where, request, tmp_path, times):
    server = "" if backend == "sqlite" else request.getfixturevalue(f"{backend}_url")
    url, options = place(backend, server, tmp_path)
    count, rounds, seconds = (1000, 1, 0.2) if times < MEASURED else (10_000, 5, 2)
    if times >= MILLION and backend in ("sqlite", "postgresql"):
        count, rounds, seconds = 1_000_000, 1, 60
    dead = [numbered(number) for number in range(5, count + 1, 5)]
    assert {one.expires for one in dead} == {LONG_AGO}

    async def measure():
        await fill(backend, url, options, count)
        purged = 0.0
        async with open_session_storage(url, **options) as storage:
            traffic = Traffic(storage, count)
            running = asyncio.ensure_future(traffic.run())
            for turn in range(rounds):
                if turn:
                    for first in range(0, len(dead), 500):
                        some = dead[first : first + 500]
                        await asyncio.gather(*map(storage.store_session, map(replace, some)))
                async with purging(where, storage, url, options) as purge:
                    await asyncio.sleep(seconds / 4)
                    traffic.now = "quiet"
                    await asyncio.sleep(seconds)
                    traffic.now = "purge"
                    begun = time.perf_counter()
                    assert await purge() == count // 5
                    purged += time.perf_counter() - begun
                    traffic.now = "warm-up"
            traffic.over = True
            await running
        return traffic, purged / rounds

    traffic, purged = asyncio.run(measure())
    assert min(len(took) for took in traffic.took.values()) > 2
    quiet, beside = traffic.p99("quiet"), traffic.p99("purge")
    print(
        f"{backend}, purge {where}: {count} rows in {purged:.1f} s; loads' p99 quiet {quiet:.1f} "
        f"ms, beside a purge {beside:.1f} ms: {beside / quiet:.2f} times"
    )
    if times >= MEASURED:
        assert beside < max(2 * quiet, SLICE)
