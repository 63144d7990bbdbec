"""The facade under load: 32 threads in each of 4 forked processes, with a small pool for each.

``python3 tools/test.py sync_load -- --times 2500`` makes 320,000 calls to each backend.
"""

import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path

import psycopg
import pymysql
import pytest
from servers.mysql import options_of
from servers.places import place
from servers.redis import connect
from shopify_session_storage import open_session_storage
from shopify_session_storage.sync import SyncSessionStorage
from shopify_session_storage.testing.sessions import offline_session

from .test_threads_and_forks import children, needs_fork

PROCESSES, THREADS, POOL = 4, 32, 3


def postgresql(url):
    return closing(psycopg.connect(url, autocommit=True)), lambda server: server.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    ).fetchone()[0]


def mysql(url):
    options = {name: value for name, value in options_of(url).items() if name != "db"}

    def count(server):
        with server.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM information_schema.processlist")
            return cursor.fetchone()[0]

    return closing(pymysql.connect(**options)), count


def redis(url):
    return closing(connect(url)), lambda server: len(server.client_list())


def sqlite(url):
    """Count who has the file open, on a system that tells."""
    file = url.removeprefix("sqlite:///")

    def count(_):
        found = 0
        for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
            with suppress(OSError):
                found += str(descriptor.readlink()) == file
        return found

    return nullcontext(), count


SERVERS = {
    "sqlite": (sqlite, {}),
    "postgresql": (postgresql, {"pool_options": {"max_size": POOL}}),
    "mysql": (mysql, {"connection_pool_limit": POOL}),
    "redis": (redis, {"client_options": {"max_connections": POOL}}),
}


@contextmanager
def watched(backend, url):
    """Give a list that has, in the end, the largest number of connections that there were."""
    server, count = SERVERS[backend][0](url)
    most, over = [], threading.Event()

    def watch(connection):
        before = count(connection)
        while not over.wait(0.05):
            most[:] = [max(*most, count(connection) - before, 0)]

    with server as connection:
        thread = threading.Thread(target=watch, args=(connection,))
        thread.start()
        yield most
        over.set()
        thread.join()


@needs_fork
@pytest.mark.parametrize("backend", SERVERS)
def test_many_threads_of_many_processes(request, backend, tmp_path, times):
    server = "" if backend == "sqlite" else request.getfixturevalue(f"{backend}_url")
    url, options = place(backend, server, tmp_path)
    facade = SyncSessionStorage(open_session_storage(url, **options, **SERVERS[backend][1]))

    def thread(process, number):
        session = offline_session(f"{process}-{number}.myshopify.com")
        for turn in range(times):
            if turn % 4 == 0:
                assert facade.store_session(session)
            else:
                assert facade.load_session(session.id).equals(session)
        return times

    def work(process):
        """Return what all threads of a process came to, counted."""
        outcomes = Counter()
        with ThreadPoolExecutor(THREADS) as pool:
            for call in [pool.submit(thread, process, number) for number in range(THREADS)]:
                error = call.exception()
                outcomes["calls" if error is None else repr(error)] += 1 if error else call.result()
        facade.disconnect()
        return json.dumps(outcomes)

    with watched(backend, url if backend == "sqlite" else server) as most:
        facade.ready()  # so that each child inherits a storage that is open
        began = time.monotonic()
        outcomes = children(PROCESSES, work)
        seconds = time.monotonic() - began
        facade.disconnect()
    expected = {"calls": THREADS * times}
    assert [json.loads(outcome) for outcome in outcomes] == [expected] * PROCESSES
    calls = PROCESSES * THREADS * times
    print(
        f"{backend}: {calls} calls, {calls / seconds:.0f} a second, {most[0]} connections at most"
    )
    # A child has the files of its parent, too, which it leaves alone.
    limit = (1 + 2 * PROCESSES) * 2 if backend == "sqlite" else (1 + PROCESSES) * POOL
    assert 0 < most[0] <= limit
