"""Connections: the user's, those that wait, those whose caller has gone, threads and processes."""

import asyncio
import sqlite3
import sys
import threading
import time
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import aiosqlite
import pytest
from shopify_session_storage import SessionStorageUnavailableError
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_sqlite import SQLiteSessionStorage

from .test_migration import query
from .test_sqlite import finish, script

SHOP = "alpha.myshopify.com"
SESSION = offline_session(SHOP)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sessions.db"


@pytest.fixture(params=["own", "borrowed"])
def opened(request, path):
    """Return what gives a storage on the same file, with connections of either kind."""

    @asynccontextmanager
    async def open():
        if request.param == "own":
            storage = SQLiteSessionStorage(path, on_error="raise")
            yield storage
            await storage.disconnect()
        else:
            async with aiosqlite.connect(path) as connection:
                yield SQLiteSessionStorage(connection, on_error="raise")

    return open


def assert_writable(path):
    """See that another program is not locked out."""
    other = sqlite3.connect(path, timeout=0.2, isolation_level=None)
    other.execute("CREATE TABLE IF NOT EXISTS mine (x)")
    other.execute("INSERT INTO mine VALUES (1)")
    other.close()


# --- connections of the user ----------------------------------------------------------------------


@pytest.mark.asyncio
async def test_connection_that_is_not_open_is_one_clear_error(path, caplog):
    closed = await aiosqlite.connect(path)
    await closed.close()
    never_opened = aiosqlite.connect(path)
    for connection in (closed, never_opened):
        with pytest.raises(SessionStorageUnavailableError, match="not open in this process"):
            await SQLiteSessionStorage(connection).ready()
        storage = SQLiteSessionStorage(connection, on_error="raise")
        with pytest.raises(SessionStorageUnavailableError, match="not open in this process"):
            await storage.load_session("id")
        assert await SQLiteSessionStorage(connection).load_session("id") is None
        assert "not open in this process" in caplog.text
        caplog.clear()
    async with never_opened:
        assert await storage.store_session(SESSION) is True


@pytest.mark.asyncio
async def test_connection_that_the_user_closes_later_is_one_clear_error(path):
    async with aiosqlite.connect(path) as connection:
        storage = SQLiteSessionStorage(connection, on_error="raise")
        await storage.store_session(SESSION)
    for call in (
        storage.load_session(SESSION.id),
        storage.store_session(SESSION),
        storage.compare_and_store(SESSION, None),
    ):
        with pytest.raises(SessionStorageUnavailableError, match="not open in this process"):
            await call
    assert not await storage.is_ready()


class WithAutocommit(sqlite3.Connection):
    """What Python 3.12 makes with autocommit=True: commit() and rollback() do nothing."""

    autocommit = True

    def commit(self):
        pass

    def rollback(self):
        pass


class WithoutAutocommit(sqlite3.Connection):
    """What Python 3.12 makes with autocommit=False: a transaction is always open."""

    autocommit = False

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.execute("BEGIN")


NEW = sys.version_info >= (3, 12)
AUTOCOMMIT = {"autocommit": True} if NEW else {"factory": WithAutocommit, "isolation_level": None}
NO_AUTOCOMMIT = {"autocommit": False} if NEW else {"factory": WithoutAutocommit}
LEGACY = {"autocommit": sqlite3.LEGACY_TRANSACTION_CONTROL} if NEW else {}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "options",
    [
        AUTOCOMMIT,
        LEGACY,
        {"isolation_level": "EXCLUSIVE"},
        {"factory": type("Mine", (sqlite3.Connection,), {})},
    ],
)
async def test_every_way_to_commit_is_one_that_others_see(path, options):
    async with aiosqlite.connect(path, **options) as connection:
        storage = SQLiteSessionStorage(connection, on_error="raise")
        await storage.store_session(SESSION)
        assert query(path, "SELECT id FROM shopify_sessions") == [(SESSION.id,)]
        assert await storage.compare_and_store(SESSION, SESSION)
        assert not connection.in_transaction
        assert SESSION.equals(await storage.load_session(SESSION.id))
        await storage.delete_session(SESSION.id)
        assert query(path, "SELECT id FROM shopify_sessions") == []
        assert not connection.in_transaction
        assert_writable(path)


@pytest.mark.asyncio
async def test_connection_that_always_has_a_transaction_is_refused_and_left_as_it_was(path):
    async with aiosqlite.connect(path, **NO_AUTOCOMMIT) as connection:
        storage = SQLiteSessionStorage(connection)
        for _ in range(2):
            with pytest.raises(ValueError, match="autocommit"):
                await storage.store_session(SESSION)
        assert connection.in_transaction
        assert_writable(path)


@pytest.mark.asyncio
async def test_what_the_user_has_set_on_a_connection_stays(path):
    async with aiosqlite.connect(path, timeout=1.234) as connection:
        connection.row_factory = factory = lambda cursor, row: {"row": row}
        connection.text_factory = bytes
        storage = SQLiteSessionStorage(connection, on_error="raise")
        await storage.store_session(SESSION)
        assert SESSION.equals(await storage.load_session(SESSION.id))
        assert connection.row_factory is factory
        assert connection.text_factory is bytes
        assert list(await connection.execute_fetchall("PRAGMA busy_timeout")) == [{"row": (1234,)}]


@pytest.mark.asyncio
async def test_transaction_of_the_user_is_not_taken_back(path):
    async with aiosqlite.connect(path) as connection:
        storage = SQLiteSessionStorage(connection, on_error="raise")
        await storage.ready()
        await connection.execute("CREATE TABLE mine (x)")
        await connection.execute("INSERT INTO mine VALUES (1)")
        assert connection.in_transaction
        with pytest.raises(sqlite3.OperationalError):
            await storage._execute("INSERT INTO missing VALUES (1)", ())
        assert connection.in_transaction
        await storage.store_session(SESSION)
        assert query(path, "SELECT x FROM mine") == [(1,)]


@pytest.mark.asyncio
async def test_start_within_a_transaction_of_the_user_says_so(path):
    async with aiosqlite.connect(path) as connection:
        await connection.execute("CREATE TABLE mine (x)")
        await connection.execute("INSERT INTO mine VALUES (1)")
        storage = SQLiteSessionStorage(connection, on_error="raise")
        with pytest.raises(SessionStorageUnavailableError, match="a transaction is open"):
            await storage.load_session("id")
        await connection.commit()
        assert await storage.load_session("id") is None
        assert query(path, "SELECT x FROM mine") == [(1,)]


# --- starts and calls that end early --------------------------------------------------------------


@pytest.mark.asyncio
async def test_start_that_is_cancelled_at_any_moment_locks_nobody_out(opened, path):
    for turn in range(60):
        async with opened() as storage:
            start = asyncio.ensure_future(storage._open())
            for _ in range(turn):
                await asyncio.sleep(0.0002)
            start.cancel()
            with suppress(asyncio.CancelledError):
                await start
            await storage._close()
            assert_writable(path)
        if turn % 10 == 9:
            path.unlink()  # so that there is something to migrate


@pytest.mark.asyncio
async def test_start_that_fails_in_its_transaction_locks_nobody_out(opened, path, monkeypatch):
    async def fail(*_):
        raise sqlite3.OperationalError("of the test")

    async with opened() as storage:
        with monkeypatch.context() as patch:
            patch.setattr(SQLiteSessionStorage, "_upgrade_table", fail)
            with pytest.raises(SessionStorageUnavailableError, match="of the test"):
                await storage.ready()
        assert_writable(path)
        assert query(path, "SELECT name FROM sqlite_master WHERE name LIKE 'shopify%'") == []
        assert await storage.store_session(SESSION)


@pytest.mark.asyncio
async def test_hook_that_waits_for_a_lock_ends_at_once_when_cancelled(opened, path):
    async with opened() as storage:
        await storage.store_session(SESSION)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        hook = asyncio.ensure_future(storage._delete([SESSION.id]))
        await asyncio.sleep(0.1)
        started = time.monotonic()
        hook.cancel()
        with suppress(asyncio.CancelledError):
            await hook
        assert time.monotonic() - started < 0.3
        other.execute("COMMIT")
        other.close()
        await asyncio.sleep(0.1)
        assert SESSION.equals(await storage.load_session(SESSION.id))  # it is not applied later


@pytest.mark.asyncio
async def test_statement_that_runs_long_is_interrupted_when_its_caller_is_cancelled(path):
    forever = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    async with SQLiteSessionStorage(path, on_error="raise") as storage:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await storage._fetch(forever, ())
        assert await asyncio.wait_for(storage.load_session("id"), 5) is None


@pytest.mark.asyncio
async def test_loads_and_other_tasks_go_on_while_a_store_waits_for_a_lock(opened, path):
    async with opened() as storage:
        await storage.store_session(SESSION)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("BEGIN IMMEDIATE")
        store = asyncio.ensure_future(storage.store_session(online_session(SHOP)))
        await asyncio.sleep(0.05)
        started = time.monotonic()
        assert SESSION.equals(await storage.load_session(SESSION.id))
        assert time.monotonic() - started < 0.3
        assert not store.done()
        other.execute("COMMIT")
        other.close()
        assert await store is True


@pytest.mark.asyncio
async def test_call_that_a_lock_holds_up_ends_within_its_time_and_says_why(path):
    async with SQLiteSessionStorage(path, timeout=timedelta(seconds=1)) as storage:
        await storage.store_session(SESSION)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        results = await asyncio.gather(
            storage.compare_and_store(SESSION, SESSION),
            storage.acquire_lease("name", "holder", timedelta(seconds=1)),
            storage.compare_and_delete(SESSION),
            return_exceptions=True,
        )
        assert 0.5 < time.monotonic() - started < 2
        for error in results:
            assert isinstance(error, SessionStorageUnavailableError)
        assert "database is locked (SQLITE_BUSY)" in str(results[0])
        assert await storage.delete_session(SESSION.id) is False
        other.execute("COMMIT")
        other.close()
        assert SESSION.equals(await storage.load_session(SESSION.id))
        assert await storage.delete_session(SESSION.id) is True


@pytest.mark.asyncio
async def test_lock_that_passes_is_not_noticed(path):
    async with SQLiteSessionStorage(path, on_error="raise") as storage:
        await storage.ready()

        async def lock() -> None:
            other = sqlite3.connect(path, isolation_level=None)
            for _ in range(10):
                with suppress(sqlite3.OperationalError):
                    other.execute("BEGIN IMMEDIATE")
                    await asyncio.sleep(0.1)
                    other.execute("COMMIT")
                await asyncio.sleep(0.01)
            other.close()

        locking = asyncio.ensure_future(lock())
        many = [online_session(SHOP, user) for user in range(300)]
        assert all(await asyncio.gather(*map(storage.store_session, many)))
        for one in many[:5]:
            assert await storage.store_session(one) is True
        await locking
        assert len(await storage.find_sessions_by_shop(SHOP)) == 300


# --- threads, event loops, processes --------------------------------------------------------------


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


FORKED = """
    import asyncio, os, sqlite3, sys, warnings
    from shopify_session_storage_sqlite import SQLiteSessionStorage
    from shopify_session_storage.testing.sessions import online_session

    storage = SQLiteSessionStorage(sys.argv[1], on_error="raise")

    async def work(number):
        for user in range(20):
            session = online_session("a", number * 100 + user)
            await storage.store_session(session)
            assert session.equals(await storage.load_session(session.id))

    async def main():
        await work(0)
        children = []
        for number in range(1, 5):
            child = os.fork()
            if not child:
                try:
                    asyncio._set_running_loop(None)
                    asyncio.run(work(number))
                    asyncio.run(storage.disconnect())
                except BaseException as error:
                    print(repr(error))
                    os._exit(1)
                os._exit(0)
            children.append(child)
            await work(5)  # the parent goes on beside them
        for child in children:
            _, status = await asyncio.to_thread(os.waitpid, child, 0)
            assert status == 0, status
        await work(6)
        assert len(await storage.find_sessions_by_shop("a")) == 7 * 20
        await storage.disconnect()
        other = sqlite3.connect(sys.argv[1], timeout=0.2)
        assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        other.execute("CREATE TABLE mine (x)")

    asyncio.run(main())
"""


def test_forked_children_of_a_running_loop_work_beside_their_parent(path):
    finish(script(FORKED, path))


def test_connection_of_the_parent_is_refused_in_a_forked_child(path):
    finish(
        script(
            """
            import asyncio, os, sys
            import aiosqlite
            from shopify_session_storage import SessionStorageUnavailableError
            from shopify_session_storage_sqlite import SQLiteSessionStorage

            async def child(storage):
                try:
                    await storage.load_session("id")
                except SessionStorageUnavailableError as error:
                    assert "not open in this process" in str(error)
                    return 0
                return 1

            async def main():
                async with aiosqlite.connect(sys.argv[1]) as connection:
                    storage = SQLiteSessionStorage(connection, on_error="raise")
                    await storage.load_session("id")
                    pid = os.fork()
                    if not pid:
                        asyncio._set_running_loop(None)
                        os._exit(asyncio.run(child(storage)))
                    assert os.waitpid(pid, 0)[1] == 0
                    await storage.load_session("id")

            asyncio.run(main())
            """,
            path,
        )
    )
