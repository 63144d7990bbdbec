"""A connection of the user's is used as it is, and left open."""

import asyncio
import sqlite3
import sys

import aiosqlite
import pytest
from shopify_session_storage import SessionStorageUnavailableError
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_sqlite import SQLiteSessionStorage

from .conftest import assert_writable, query

SHOP = "alpha.myshopify.com"
SESSION = offline_session(SHOP)


@pytest.mark.asyncio
async def test_connection_of_the_user_is_used_and_left_open(tmp_path):
    async with aiosqlite.connect(tmp_path / "s.db") as connection:
        connection.row_factory = aiosqlite.Row
        async with SQLiteSessionStorage(connection, on_error="raise") as storage:
            session = offline_session(SHOP)
            await storage.store_session(session)
            assert session.equals(await storage.load_session(session.id))
        rows = list(await connection.execute_fetchall("SELECT id FROM shopify_sessions"))
        assert [session.id] == [row["id"] for row in rows]
        assert not connection.in_transaction


@pytest.mark.asyncio
async def test_cancelled_store_leaves_no_transaction_open_on_the_users_connection(tmp_path):
    async with aiosqlite.connect(tmp_path / "s.db") as connection:
        storage = SQLiteSessionStorage(connection, on_error="raise")
        await storage.ready()
        for user in range(20):
            store = asyncio.ensure_future(storage.store_session(online_session(SHOP, user)))
            for _ in range(user % 5):
                await asyncio.sleep(0)
            store.cancel()
            await asyncio.wait([store])
            # What has left goes on in one go; the user's next statement comes after it.
            await connection.execute_fetchall("SELECT 1")
            assert not connection.in_transaction


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
