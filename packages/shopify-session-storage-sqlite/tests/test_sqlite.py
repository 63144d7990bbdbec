"""What is particular to SQLite: connections, settings, locking, bad files."""

import asyncio
import json
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import aiosqlite
import pytest
from shopify_session_storage import (
    RdbmsSessionStorageMigratorOptions,
    SessionStorageError,
    SessionStorageUnavailableError,
)
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_sqlite import SQLiteSessionStorage

SHOP = "alpha.myshopify.com"


def script(source: str, *arguments: object) -> subprocess.Popen[str]:
    """Start Python code in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(source), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return output


class Statements:
    """The SQL that a storage's connections execute."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def watch(self, storage: SQLiteSessionStorage) -> None:
        for connection in {storage._reader, storage._writer}:
            await connection.run(lambda raw: raw.set_trace_callback(self.seen.append))

    def taken(self) -> list[str]:
        seen = [sql.split()[0] for sql in self.seen]
        self.seen.clear()
        return seen


# --- statements -----------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_every_operation_is_one_statement(tmp_path):
    async with SQLiteSessionStorage(tmp_path / "s.db", on_error="raise") as storage:
        statements = Statements()
        await statements.watch(storage)
        session = offline_session(SHOP)
        for call, expected in (
            (storage.store_session(session), "INSERT"),
            (storage.load_session(session.id), "SELECT"),
            (storage.find_sessions_by_shop(SHOP), "SELECT"),
            (storage.delete_session(session.id), "DELETE"),
            (storage.delete_sessions(f"id{number}" for number in range(300)), "DELETE"),
        ):
            await call
            assert statements.taken() == [expected]


@pytest.mark.asyncio
async def test_calls_that_wait_travel_in_one_statement(tmp_path):
    async with SQLiteSessionStorage(tmp_path / "s.db", on_error="raise") as storage:
        statements = Statements()
        await statements.watch(storage)
        sessions = [online_session(SHOP, user) for user in range(64)]
        await asyncio.gather(*map(storage.store_session, sessions))
        assert statements.taken() == ["INSERT", "INSERT"]
        await asyncio.gather(*(storage.load_session(session.id) for session in sessions))
        assert statements.taken() == ["SELECT", "SELECT"]


@pytest.mark.asyncio
async def test_load_find_and_delete_use_an_index(tmp_path):
    async with SQLiteSessionStorage(tmp_path / "s.db") as storage:
        for sql, parameters in (
            (
                storage._select + storage._is_one_of(storage._id, ["a", "b", "c"])[0],
                ["a", "b", "c"],
            ),
            (storage._select + storage._is_one_of(storage._shop, [SHOP])[0], [SHOP]),
            (storage._delete_from + storage._is_one_of(storage._id, ["a", "b"])[0], ["a", "b"]),
        ):
            plan = await storage._fetch(f"EXPLAIN QUERY PLAN {sql}", parameters)
            details = " ".join(row[3] for row in plan)
            assert "USING INDEX" in details
            assert "SCAN" not in details


# --- connections ----------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_loads_do_not_wait_for_another_process_that_writes(tmp_path):
    async with SQLiteSessionStorage(tmp_path / "s.db", on_error="raise") as storage:
        session = offline_session(SHOP)
        await storage.store_session(session)
        with sqlite3.connect(tmp_path / "s.db", isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            store = asyncio.ensure_future(storage.store_session(offline_session("b.example")))
            loaded = await asyncio.wait_for(storage.load_session(session.id), 5)
            assert session.equals(loaded)
            assert not store.done()
            other.execute("ROLLBACK")
        other.close()
        assert await store is True


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


# --- several processes ----------------------------------------------------------------------------

WRITER = """
import asyncio, sys
from shopify_session_storage_sqlite import SQLiteSessionStorage
from shopify_session_storage.testing.sessions import online_session

async def main(path, number):
    async with SQLiteSessionStorage(path, on_error="raise") as storage:
        sessions = [online_session("a.myshopify.com", number * 1000 + user) for user in range(300)]
        for session in sessions[:100]:
            await storage.store_session(session)
        await asyncio.gather(*map(storage.store_session, sessions[100:]))
        await asyncio.gather(*(storage.delete_session(session.id) for session in sessions[::3]))
        for session in sessions[1::3]:
            assert session.equals(await storage.load_session(session.id))

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


@pytest.mark.asyncio
async def test_eight_processes_write_at_once_and_lose_nothing(tmp_path):
    for writer in [script(WRITER, tmp_path / "s.db", number) for number in range(8)]:
        finish(writer)
    async with SQLiteSessionStorage(tmp_path / "s.db") as storage:
        assert len(await storage.find_sessions_by_shop("a.myshopify.com")) == 8 * 200


@pytest.mark.asyncio
async def test_acknowledged_store_survives_a_killed_process(tmp_path):
    process = script(
        """
        import asyncio, os, signal, sys
        from shopify_session_storage_sqlite import SQLiteSessionStorage
        from shopify_session_storage.testing.sessions import online_session

        async def main():
            storage = SQLiteSessionStorage(sys.argv[1], on_error="raise")
            sessions = [online_session("a.myshopify.com", user) for user in range(50)]
            await asyncio.gather(*map(storage.store_session, sessions))
            os.kill(os.getpid(), signal.SIGKILL)

        asyncio.run(main())
        """,
        tmp_path / "s.db",
    )
    process.communicate(timeout=60)
    assert process.returncode == -9
    async with SQLiteSessionStorage(tmp_path / "s.db") as storage:
        assert len(await storage.find_sessions_by_shop("a.myshopify.com")) == 50


# --- bad input ------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("name", ['quo"te', "quo'te", "`", "", "nul\0", "line\n", "x" * 256])
def test_unusable_table_names_are_refused(name):
    with pytest.raises(ValueError, match="session_table_name"):
        SQLiteSessionStorage(":memory:", session_table_name=name)
    with pytest.raises(ValueError, match="migration_db_identifier"):
        SQLiteSessionStorage(
            ":memory:",
            migrator_options=RdbmsSessionStorageMigratorOptions(migration_db_identifier=name),
        )


@pytest.mark.asyncio
async def test_table_name_that_sqlite_refuses_is_an_error_with_its_cause(tmp_path):
    storage = SQLiteSessionStorage(tmp_path / "s.db", session_table_name="sqlite_sessions")
    with pytest.raises(SessionStorageError, match="reserved for internal use"):
        await storage.ready()


@pytest.mark.parametrize(
    ("database", "error"),
    [("", ValueError), ("nul\0", ValueError), (None, TypeError), (1, TypeError), (b"x", TypeError)],
)
def test_unusable_paths_are_refused(database, error):
    with pytest.raises(error):
        SQLiteSessionStorage(database)


def test_sessions_and_migrations_cannot_share_a_table():
    with pytest.raises(ValueError, match="one table"):
        SQLiteSessionStorage(":memory:", session_table_name="shopify_sessions_migrations")


# --- stored data ----------------------------------------------------------------------------------


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


# --- layout ---------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_stored_row_is_laid_out_as_documented(tmp_path):
    path = tmp_path / "s.db"
    async with SQLiteSessionStorage(path, on_error="raise") as storage:
        await storage.store_session(online_session(SHOP, 5, access_token="token"))
    with sqlite3.connect(path) as other:
        other.row_factory = sqlite3.Row
        row = dict(other.execute("SELECT * FROM shopify_sessions").fetchone())
        names = [row[0] for row in other.execute("SELECT * FROM shopify_sessions_migrations")]
    other.close()
    assert row == json.loads(
        """{"id": "alpha.myshopify.com_5", "shop": "alpha.myshopify.com", "state": "",
        "isOnline": 1, "scope": "read_products", "expires": 1935817689, "accessToken": "token",
        "refreshToken": null, "refreshTokenExpires": null, "userId": 5, "firstName": "Ada",
        "lastName": "Lovelace", "email": "ada@shop.example", "locale": "en", "emailVerified": 1,
        "accountOwner": 0, "collaborator": 1}"""
    )
    assert sorted(names) == [
        "addRefreshTokenFields",
        "addUserInfoColumns",
        "migrateScopeFieldToVarchar1024",
        "python_upgrade_shopify_sessions",
    ]
