"""Databases that the official JavaScript adapter made, at any age, become ours and stay its own."""

import asyncio
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import golden
import pytest
from shopify_session_storage.testing.sessions import online_session
from shopify_session_storage_sqlite import SQLiteSessionStorage

from .conftest import query

SHOP = "alpha.myshopify.com"
DATA = Path(__file__).parent / "data"
OLD = ["sqlite_v1_0", "sqlite_v5", "sqlite_v5_huge_user_id"]
NOTHING = {"loadSession": {}, "findSessionsByShop": {}}
JAVASCRIPT_NAMES = {
    "migrateScopeFieldToVarchar1024",
    "addRefreshTokenFields",
    "addUserInfoColumns",
}


async def check_loads(path: Path, expected: dict) -> None:
    """Compare all that the storage loads and finds with what JavaScript does."""
    async with SQLiteSessionStorage(path, on_error="raise") as storage:
        await golden.assert_loads(storage, expected)


def after_javascript(name: str) -> dict:
    return golden.load(DATA / "old_schemas" / f"{name}_after_js.json")


def check_upgraded(path: Path) -> None:
    columns = {row[1] for row in query(path, "PRAGMA table_info(shopify_sessions)")}
    assert "onlineAccessInfo" not in columns
    assert {"refreshToken", "refreshTokenExpires", "userId", "collaborator"} <= columns
    names = [
        row[0] for row in query(path, "SELECT migration_name FROM shopify_sessions_migrations")
    ]
    assert len(names) == len(set(names))
    assert set(names) > JAVASCRIPT_NAMES
    indexes = [row[1] for row in query(path, "PRAGMA index_list(shopify_sessions)")]
    assert "shopify_sessions_shop_index" in indexes


@pytest.mark.asyncio
async def test_database_of_todays_adapter_is_read_with_every_value_right(tmp_path):
    path = Path(shutil.copy(DATA / "golden" / "sessions.sqlite", tmp_path))
    expected = golden.load(DATA / "golden" / "expected_loads.json")
    rows = query(path, "SELECT * FROM shopify_sessions ORDER BY id")
    await check_loads(path, expected)
    check_upgraded(path)
    assert query(path, "SELECT * FROM shopify_sessions ORDER BY id") == rows


@pytest.mark.asyncio
@pytest.mark.parametrize("name", OLD)
async def test_old_database_is_upgraded_with_every_row(tmp_path, name):
    path = Path(shutil.copy(DATA / "old_schemas" / f"{name}.sqlite", tmp_path))
    (count,) = query(path, "SELECT count(*) FROM shopify_sessions")[0]
    loads = after_javascript(name)["loads"]
    assert len(loads["loadSession"]) >= count
    for _ in range(2):  # the second time there is nothing left to do
        await check_loads(path, loads)
        check_upgraded(path)
        assert query(path, "SELECT count(*) FROM shopify_sessions") == [(count,)]


@pytest.mark.asyncio
async def test_sqlite_without_drop_column_upgrades_too(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    path = Path(shutil.copy(DATA / "old_schemas" / "sqlite_v5.sqlite", tmp_path))
    await check_loads(path, after_javascript("sqlite_v5")["loads"])
    check_upgraded(path)


@pytest.mark.asyncio
async def test_user_ids_that_an_old_sqlite_mangled_are_mended(tmp_path):
    path = Path(shutil.copy(DATA / "old_schemas" / "sqlite_v1_0.sqlite", tmp_path))
    written = {
        "a.example_9007199254740991": "9.00719925474099e+15",
        "a.example_98765432101": "98765432101.0",
        "6d1a4b0c-uuid-1": "9.00719925474099e+15",
        "6d1a4b0c-uuid-2": "not a number",
    }
    with sqlite3.connect(path) as connection:
        connection.executemany(
            "INSERT INTO shopify_sessions (id, shop, state, isOnline, onlineAccessInfo) "
            "VALUES (?, 'a.example', '', 1, ?)",
            written.items(),
        )
    connection.close()
    async with SQLiteSessionStorage(path, on_error="raise") as storage:
        found = await storage.find_sessions_by_shop("a.example")
    ids = {session.id: session.online_access_info.associated_user.id for session in found}
    assert ids == {
        "a.example_9007199254740991": 9007199254740991,
        "a.example_98765432101": 98765432101,
        "6d1a4b0c-uuid-1": 9007199254740990,
        "6d1a4b0c-uuid-2": None,
    }


@pytest.mark.asyncio
async def test_second_table_with_the_same_record_is_upgraded_too(tmp_path):
    path = Path(shutil.copy(DATA / "old_schemas" / "sqlite_v5.sqlite", tmp_path))
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE second AS SELECT * FROM shopify_sessions")
        connection.execute("CREATE UNIQUE INDEX second_id ON second (id)")
    connection.close()
    await check_loads(path, after_javascript("sqlite_v5")["loads"])
    async with SQLiteSessionStorage(path, session_table_name="second", on_error="raise") as storage:
        (session,) = [
            one
            for one in await storage.find_sessions_by_shop("old-store.myshopify.com")
            if one.id.endswith("98765432101")
        ]
        assert session.online_access_info.associated_user.id == 98765432101
        assert await storage.store_session(session) is True


@pytest.mark.asyncio
async def test_table_of_another_program_is_completed_and_keeps_what_is_its_own(tmp_path):
    path = tmp_path / "s.db"
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE shopify_sessions (ID varchar(255) PRIMARY KEY, shop text NOT NULL, "
            "state text NOT NULL, isonline BOOLEAN NOT NULL, note text DEFAULT 'new', scope text)"
        )
        connection.execute(
            "INSERT INTO shopify_sessions VALUES ('offline_a', 'a', '', 0, 'mine', 'read_x')"
        )
    connection.close()
    async with SQLiteSessionStorage(path, on_error="raise") as storage:
        session = await storage.load_session("offline_a")
        assert session is not None
        session.scope = None
        session.refresh_token = "shprt"
        await storage.store_session(session)
        assert session.equals(await storage.load_session("offline_a"))
    assert query(path, "SELECT note, scope FROM shopify_sessions") == [("mine", None)]


def starting(path: Path, *arguments: object) -> subprocess.Popen[str]:
    """Start a process that opens the database; with a number, it dies before that statement."""
    source = """
    import asyncio, os, signal, sqlite3, sys
    from functools import partial
    from shopify_session_storage_sqlite import SQLiteSessionStorage

    path, left = sys.argv[1], [int(argument) for argument in sys.argv[2:]]

    class Counting(sqlite3.Connection):
        def execute(self, *arguments):
            if left:
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return super().execute(*arguments)

    sqlite3.connect = partial(sqlite3.connect, factory=Counting)

    async def main():
        async with SQLiteSessionStorage(path, on_error="raise") as storage:
            await storage.find_sessions_by_shop("old-store.myshopify.com")

    asyncio.run(main())
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(source), str(path), *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("old", [None, "sqlite_v1_0", "sqlite_v5"])
def test_twenty_processes_start_at_once(tmp_path, old):
    path = tmp_path / "s.db"
    if old is not None:
        shutil.copy(DATA / "old_schemas" / f"{old}.sqlite", path)
    processes = [starting(path) for _ in range(20)]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    check_upgraded(path)
    if old is not None:
        asyncio.run(check_loads(path, after_javascript(old)["loads"]))


@pytest.mark.parametrize("old", [None, "sqlite_v1_0"])
def test_process_killed_at_any_statement_leaves_what_the_next_start_completes(tmp_path, old):
    survived = False
    for statement in range(100):
        path = tmp_path / f"{statement}.db"
        if old is not None:
            shutil.copy(DATA / "old_schemas" / f"{old}.sqlite", path)
        process = starting(path, statement)
        _, errors = process.communicate(timeout=60)
        survived = process.returncode == 0
        assert survived or process.returncode == -9, errors
        loads = (
            after_javascript(old)["loads"] if old else {"loadSession": {}, "findSessionsByShop": {}}
        )
        asyncio.run(check_loads(path, loads))
        check_upgraded(path)
        if survived:
            break
    assert survived
    assert statement > 10


@pytest.mark.asyncio
async def test_rows_with_javascript_spellings_are_read(tmp_path):
    path = tmp_path / "s.db"
    session = online_session(SHOP, 98765432101)
    async with SQLiteSessionStorage(path, on_error="raise") as storage:
        await storage.store_session(session)
        with sqlite3.connect(path) as other:
            other.execute(
                "UPDATE shopify_sessions SET isOnline = 'TRUE', userId = 98765432101.0, "
                "expires = expires + 0.5, emailVerified = 7"
            )
        other.close()
        loaded = await storage.load_session(session.id)
        assert loaded is not None
        assert loaded.online_access_info is not None
        user = loaded.online_access_info.associated_user
        assert (loaded.is_online, user.id, user.email_verified) == (True, 98765432101, True)
        assert loaded.expires is not None
        assert loaded.expires.microsecond == 500_000
