"""What SQLite answers when something is wrong with the database, and how the storage goes on."""

import asyncio
import sqlite3
import tempfile
from datetime import timedelta
from pathlib import Path

import aiosqlite
import pytest
from shopify_session_storage import (
    MigrationError,
    SessionStorageError,
    SessionStorageUnavailableError,
    Verdict,
)
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_sqlite import SQLiteSessionStorage

from .processes import finish, script

SHOP = "alpha.myshopify.com"
SESSION = offline_session(SHOP)


def error_of(code):
    error = sqlite3.OperationalError("of the test")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        # The primary codes, and extended ones of each.
        (sqlite3.SQLITE_BUSY, Verdict.UNAVAILABLE),  # waited for already
        (sqlite3.SQLITE_BUSY_SNAPSHOT, Verdict.UNAVAILABLE),
        (sqlite3.SQLITE_LOCKED, Verdict.UNAVAILABLE),
        (sqlite3.SQLITE_PROTOCOL, Verdict.CONFLICT),
        (sqlite3.SQLITE_INTERRUPT, Verdict.CONFLICT),
        (sqlite3.SQLITE_ABORT_ROLLBACK, Verdict.CONFLICT),
        (sqlite3.SQLITE_TOOBIG, Verdict.DATA),
        (sqlite3.SQLITE_CONSTRAINT_CHECK, Verdict.DATA),
        (sqlite3.SQLITE_READONLY_DIRECTORY, Verdict.DENIED),
        (sqlite3.SQLITE_AUTH, Verdict.DENIED),
        (sqlite3.SQLITE_FULL, Verdict.UNAVAILABLE),
        (sqlite3.SQLITE_IOERR_FSYNC, Verdict.UNAVAILABLE),
        (sqlite3.SQLITE_CORRUPT, Verdict.UNAVAILABLE),
        (sqlite3.SQLITE_NOTADB, Verdict.UNAVAILABLE),
    ],
)
def test_every_code_has_a_meaning(path, code, verdict):
    assert SQLiteSessionStorage(path)._verdict(error_of(code)) is verdict


@pytest.mark.asyncio
async def test_full_disk_fails_stores_until_there_is_room(path):
    async with SQLiteSessionStorage(path, on_error="raise") as storage:
        await storage.store_session(SESSION)
        run = storage._writer.run
        (pages,) = await run(lambda raw: raw.execute("PRAGMA page_count").fetchone())
        await run(lambda raw: raw.execute(f"PRAGMA max_page_count = {pages}").fetchall())
        big = online_session(SHOP, 1, access_token="x" * 50_000)
        with pytest.raises(SessionStorageUnavailableError, match=r"full \(SQLITE_FULL\)"):
            await storage.store_session(big)
        assert await storage.load_session(big.id) is None
        assert SESSION.equals(await storage.load_session(SESSION.id))
        await run(lambda raw: raw.execute("PRAGMA max_page_count = 100000").fetchall())
        assert await storage.store_session(big) is True


@pytest.mark.asyncio
async def test_database_that_becomes_read_only_fails_stores_alone(path):
    async with SQLiteSessionStorage(path, on_error="raise") as storage:
        await storage.store_session(SESSION)
        await storage._writer.run(lambda raw: raw.execute("PRAGMA query_only = 1").fetchall())
        for call in (
            storage.store_session(SESSION),
            storage.delete_session(SESSION.id),
            storage.compare_and_store(SESSION, SESSION),
            storage.compare_and_delete(SESSION),
        ):
            with pytest.raises(SessionStorageUnavailableError, match="SQLITE_READONLY"):
                await call
        assert SESSION.equals(await storage.load_session(SESSION.id))
        await storage._writer.run(lambda raw: raw.execute("PRAGMA query_only = 0").fetchall())
        assert await storage.delete_session(SESSION.id) is True


@pytest.mark.asyncio
async def test_damaged_file_is_named(path):
    async with SQLiteSessionStorage(path, on_error="raise") as storage:
        for user in range(200):
            await storage.store_session(online_session(SHOP, user))
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(SessionStorageError, match=r"malformed|not a database|SQLITE_CORRUPT"):
        async with SQLiteSessionStorage(path, on_error="raise") as storage:
            await storage.find_sessions_by_shop(SHOP)


@pytest.mark.asyncio
async def test_table_that_is_dropped_meanwhile_is_a_failure_of_each_call(path):
    async with SQLiteSessionStorage(path, on_error="raise") as storage:
        await storage.store_session(SESSION)
        other = sqlite3.connect(path)
        other.execute("DROP TABLE shopify_sessions")
        other.close()
        for call in (
            storage.load_session("id"),
            storage.store_session(SESSION),
            storage.find_sessions_by_shop(SHOP),
        ):
            with pytest.raises(SessionStorageUnavailableError, match="no such table"):
                await call


@pytest.mark.asyncio
async def test_constraint_of_the_users_own_fails_its_session_alone(path):
    async with SQLiteSessionStorage(path, on_error="raise") as storage:
        await storage.ready()
        other = sqlite3.connect(path)
        other.execute(
            "CREATE TRIGGER no BEFORE INSERT ON shopify_sessions WHEN new.state = 'bad' "
            "BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        other.commit()
        other.close()
        many = [online_session(SHOP, user, state="bad" if user == 7 else "") for user in range(20)]
        results = await asyncio.gather(*map(storage.store_session, many), return_exceptions=True)
        assert [result is True for result in results] == [one.state == "" for one in many]
        assert type(results[7]) is SessionStorageError


@pytest.mark.asyncio
async def test_authorizer_of_the_users_own_is_told_what_to_run(path):
    async with aiosqlite.connect(path) as connection:
        await connection.set_authorizer(
            lambda action, *_: (
                sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_CREATE_TABLE else sqlite3.SQLITE_OK
            )
        )
        with pytest.raises(MigrationError, match='CREATE TABLE "shopify_sessions"'):
            await SQLiteSessionStorage(connection, timeout=timedelta(seconds=2)).ready()
        assert not connection.in_transaction


@pytest.mark.asyncio
async def test_path_that_cannot_be_opened_is_named(tmp_path):
    for path in (tmp_path / "missing" / "s.db", tmp_path):
        storage = SQLiteSessionStorage(path, on_error="raise")
        with pytest.raises(SessionStorageUnavailableError, match="unable to open") as caught:
            await storage.ready()
        assert str(path) in str(caught.value)
        assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
        with pytest.raises(SessionStorageUnavailableError):
            await storage.load_session("id")


@pytest.mark.asyncio
async def test_file_that_is_not_sqlite_is_named_and_untouched(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("not a database\n" * 1000)
    before = path.read_bytes()
    with pytest.raises(SessionStorageUnavailableError, match="not a database") as caught:
        await SQLiteSessionStorage(path).ready()
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before


def test_read_only_file_is_named_at_start():
    # Not in tmp_path, which only its owner may enter: the test leaves root, to whom nothing is
    # read-only.
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "s.db"
        asyncio.run(_store(path))
        before = path.read_bytes()
        path.chmod(0o444)
        Path(directory).chmod(0o555)
        output = finish(
            script(
                """
                import asyncio, os, sys
                from shopify_session_storage import SessionStorageError
                from shopify_session_storage_sqlite import SQLiteSessionStorage

                if os.geteuid() == 0:
                    os.setuid(65534)
                try:
                    asyncio.run(SQLiteSessionStorage(sys.argv[1]).ready())
                except SessionStorageError as error:
                    print(error)
                """,
                path,
            )
        )
        assert "readonly database" in output
        assert str(path) in output
        assert path.read_bytes() == before


async def _store(path: Path) -> None:
    async with SQLiteSessionStorage(path, on_error="raise") as storage:
        await storage.store_session(offline_session(SHOP))
