"""Connections of our own: they follow to a new loop, end with theirs, and lock nobody out."""

import asyncio
import sqlite3
import threading
import time

from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_sqlite import SQLiteSessionStorage

from .conftest import assert_writable
from .processes import finish, script

SHOP = "alpha.myshopify.com"


def test_event_loop_that_is_closed_under_way_leaves_no_trace_and_no_lock(path):
    process = script(
        """
        import asyncio, sqlite3, sys
        from shopify_session_storage_sqlite import SQLiteSessionStorage
        from shopify_session_storage.testing.sessions import online_session

        storage = SQLiteSessionStorage(sys.argv[1], on_error="raise")
        for turn in range(30):
            loop = asyncio.new_event_loop()
            tasks = [
                loop.create_task(storage.store_session(online_session("a", user)))
                for user in range(5)
            ]
            for _ in range(turn + 1):
                loop.call_soon(loop.stop)
                loop.run_forever()
            loop.close()
        other = sqlite3.connect(sys.argv[1], timeout=1)
        other.execute("CREATE TABLE mine (x)")
        asyncio.run(storage.store_session(online_session("a", 100)))
        print("done")
        """,
        path,
    )
    output, errors = process.communicate(timeout=60)
    assert output == "done\n", errors
    # asyncio says that tasks were left pending; nothing else is to be said.
    assert "Traceback" not in errors
    assert "Exception" not in errors


def test_threads_with_loops_of_their_own_lock_nobody_out(path):
    storage = SQLiteSessionStorage(path, on_error="raise")
    failures = []
    ended = threading.Event()

    def work(number):
        for turn in range(15):
            session = online_session(SHOP, number * 100 + turn)
            try:
                asyncio.run(asyncio.wait_for(storage.store_session(session), 10))
            except RuntimeError as error:
                if "event loop" not in str(error):
                    failures.append(error)
            except Exception as error:
                failures.append(error)

    def write_beside():
        while not ended.is_set():
            try:
                assert_writable(path)
            except sqlite3.Error as error:
                failures.append(error)
            time.sleep(0.02)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    beside = threading.Thread(target=write_beside)
    for thread in (*threads, beside):
        thread.start()
    for thread in threads:
        thread.join(60)
    ended.set()
    beside.join(10)
    assert failures == []
    asyncio.run(storage.disconnect())


def test_storages_that_nobody_closes_leave_no_threads(path):
    finish(
        script(
            """
            import asyncio, gc, sys, threading, time
            from shopify_session_storage_sqlite import SQLiteSessionStorage

            async def main():
                for _ in range(20):
                    await SQLiteSessionStorage(sys.argv[1], on_error="raise").load_session("id")

            asyncio.run(main())
            gc.collect()
            end = time.monotonic() + 10
            while threading.active_count() > 1:
                assert time.monotonic() < end, threading.enumerate()
                time.sleep(0.01)
            """,
            path,
        )
    )


def test_process_ends_while_the_storage_is_open(tmp_path):
    finish(
        script(
            """
            import asyncio, sys
            from shopify_session_storage_sqlite import SQLiteSessionStorage
            storage = SQLiteSessionStorage(sys.argv[1])
            asyncio.run(storage.load_session("id"))
            """,
            tmp_path / "s.db",
        )
    )


def test_storage_follows_to_a_new_event_loop_without_disconnect(tmp_path):
    storage = SQLiteSessionStorage(tmp_path / "s.db", on_error="raise")
    session = offline_session(SHOP)
    assert asyncio.run(storage.store_session(session)) is True
    assert session.equals(asyncio.run(storage.load_session(session.id)))
    asyncio.run(storage.disconnect())
