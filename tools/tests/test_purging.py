"""Purging and walking through many sessions on real servers.

``--times 100`` and more takes a million rows; otherwise it is some thousands.
"""

import asyncio
import os
import random
import resource
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from servers.places import place
from shopify_session_storage import open_session_storage

from .many_sessions import NOW, fill

MANY = 100  # --times from which on it is a million rows


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


@pytest.mark.parametrize("backend", ["sqlite", "postgresql", "redis"], indirect=True)
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
    assert count <= seen < 1.01 * count  # Redis may give one twice
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
