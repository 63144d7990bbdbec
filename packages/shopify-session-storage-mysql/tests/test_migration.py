"""Tables that the official JavaScript adapter made, at any age, become ours and stay its own."""

import asyncio
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiomysql
import golden
import pytest
import pytest_asyncio
from servers.mysql import options_of
from servers.naming import take_any_name
from shopify_session_storage import MigrationError, Session
from shopify_session_storage.testing import SessionStorageBattery
from shopify_session_storage_mysql import MySQLSessionStorage

from .conftest import query, run_sql

DATA = Path(__file__).parent / "data"
OLD = ["mysql_v1_0", "mysql_v5"]
JAVASCRIPT_NAMES = {
    "migrateScopeFieldToVarchar1024",
    "addRefreshTokenFields",
    "addUserInfoColumns",
}
TODAYS_COLUMNS = """
    id varchar(255) NOT NULL PRIMARY KEY, shop varchar(255) NOT NULL, state varchar(255) NOT NULL,
    isOnline tinyint NOT NULL, scope varchar(1024), expires int, accessToken varchar(255),
    refreshToken varchar(255), refreshTokenExpires int, userId bigint, firstName varchar(255),
    lastName varchar(255), email varchar(255), accountOwner tinyint, locale varchar(255),
    collaborator tinyint, emailVerified tinyint
"""
CREATE_TODAYS = f"CREATE TABLE IF NOT EXISTS shopify_sessions ({TODAYS_COLUMNS})"


async def recreate(url: str) -> None:
    name = unquote(urlsplit(url).path[1:])
    await run_sql(url, f"DROP DATABASE `{name}`; CREATE DATABASE `{name}`")


async def restore(url: str, name: str) -> dict:
    """Restore a database of an old release, and return what JavaScript loads from it."""
    await run_sql(url, (DATA / "old_schemas" / f"{name}.sql").read_text())
    return golden.load(DATA / "old_schemas" / f"{name}_after_js.json")["loads"]


async def check_loads(url: str, expected: dict, table: str = "shopify_sessions") -> None:
    """Compare all that the storage loads and finds with what JavaScript does."""
    async with MySQLSessionStorage(url, session_table_name=table, on_error="raise") as storage:
        await golden.assert_loads(storage, expected)


async def check_upgraded(url: str, table: str = "shopify_sessions") -> None:
    rows = await query(url, f"SHOW FULL COLUMNS FROM `{table}`")
    columns = {row[0]: (re.match(r"\w+", row[1])[0], row[2]) for row in rows}
    assert "onlineAccessInfo" not in columns
    assert len(columns) == 17
    for name in ("id", "shop"):
        assert columns[name] in (("varchar", "utf8mb4_nopad_bin"), ("varchar", "utf8mb4_0900_bin"))
    for name in ("state", "scope", "accessToken", "refreshToken", "email"):
        assert columns[name][0] == "mediumtext"
        assert columns[name][1].startswith("utf8mb4")
    for name in ("expires", "refreshTokenExpires", "userId"):
        assert columns[name][0] == "bigint"
    names = [name for (name,) in await query(url, "SELECT * FROM shopify_sessions_migrations")]
    assert len(names) == len(set(names))
    assert set(names) > JAVASCRIPT_NAMES
    indexes = [row[2:5] for row in await query(url, f"SHOW INDEX FROM `{table}`")]
    assert set(indexes) == {("PRIMARY", 1, "id"), (f"{table}_shop_index", 1, "shop")}


@pytest.mark.asyncio
async def test_database_of_todays_adapter_is_read_with_every_value_right(database_url):
    await run_sql(database_url, (DATA / "golden" / "dump.sql").read_text())
    everything = "SELECT * FROM shopify_sessions ORDER BY BINARY id"
    rows = await query(database_url, everything)
    assert rows
    await check_loads(database_url, golden.load(DATA / "golden" / "expected_loads.json"))
    await check_upgraded(database_url)
    assert await query(database_url, everything) == rows


@pytest.mark.asyncio
@pytest.mark.parametrize("name", OLD)
async def test_old_database_is_upgraded_with_every_row(database_url, name):
    loads = await restore(database_url, name)
    for _ in range(2):  # the second time there is nothing left to do
        await check_loads(database_url, loads)
        await check_upgraded(database_url)
    count = await query(database_url, "SELECT count(*) FROM shopify_sessions")
    assert count == [(sum(one is not None for one in loads["loadSession"].values()),)]


@pytest.mark.asyncio
@pytest.mark.parametrize("name", OLD)
async def test_printed_sql_does_what_the_migration_does(database_url, name):
    loads = await restore(database_url, name)
    storage = MySQLSessionStorage(database_url)
    await run_sql(database_url, await storage.migration_sql())
    assert await storage.migration_sql() == ""
    await check_upgraded(database_url)
    await check_loads(database_url, loads)


@pytest.mark.asyncio
async def test_printed_sql_creates_what_the_migration_creates(database_url):
    table = "100% café"
    storage = MySQLSessionStorage(database_url, session_table_name=table, on_error="raise")
    sql = await storage.migration_sql()
    assert "%%" not in sql
    await run_sql(database_url, sql)
    await check_upgraded(database_url, table)
    created = await query(database_url, f"SHOW CREATE TABLE `{table}`")
    assert await storage.migration_sql() == ""
    await recreate(database_url)
    async with storage:
        session = Session(id="a", shop="b", state="%s", is_online=False)
        await storage.store_session(session)
        assert session.equals(await storage.load_session("a"))
    assert await query(database_url, f"SHOW CREATE TABLE `{table}`") == created


class TestTableOfJavaScript(SessionStorageBattery):
    """What a server's default collation confuses is told apart after the upgrade."""

    lacks = frozenset({"failing", "breakable"})

    @pytest.fixture
    def storage_factory(self, database_url):
        return lambda: MySQLSessionStorage(database_url)

    @pytest_asyncio.fixture
    async def storage(self, database_url, storage_factory):
        await run_sql(database_url, f"{CREATE_TODAYS} COLLATE utf8mb4_general_ci")
        async with storage_factory() as storage:
            yield storage


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "options",
    [
        "CHARACTER SET latin1",
        "CHARACTER SET utf8mb3 ROW_FORMAT=COMPACT",
        "CHARACTER SET latin1 ENGINE=MyISAM",
        "COLLATE utf8mb4_unicode_ci",
        "COLLATE utf8mb4_bin ROW_FORMAT=DYNAMIC",
    ],
)
async def test_tables_of_any_charset_become_exact_with_every_row(database_url, options):
    await run_sql(
        database_url,
        f"{CREATE_TODAYS} {options}; INSERT INTO shopify_sessions (id, shop, state, isOnline, "
        "firstName, expires) VALUES ('Café', 'é.example', '', 1, 'Zoë', 2147483647)",
    )
    async with MySQLSessionStorage(database_url, on_error="raise") as storage:
        loaded = await storage.load_session("Café")
        assert loaded.online_access_info.associated_user.first_name == "Zoë"
        assert [one.id for one in await storage.find_sessions_by_shop("é.example")] == ["Café"]
        others = ["café", "Cafe", "CAFÉ", "Café ", "Café😀", "Café😁", "Cafe\u0301", "\\", "\\'"]
        for id in others:
            assert await storage.load_session(id) is None
            session = Session(id=id, shop=f"shop {id}", state=f"{id}日本😀", is_online=False)
            await storage.store_session(session)
        for id in others:
            loaded = await storage.load_session(id)
            assert (loaded.id, loaded.shop) == (id, f"shop {id}")
            assert loaded.state == f"{id}日本😀"
            found = await storage.find_sessions_by_shop(f"shop {id}")
            assert [one.id for one in found] == [id]
        assert len(await query(database_url, "SELECT id FROM shopify_sessions")) == 10
    await check_upgraded(database_url)


@pytest.mark.asyncio
async def test_table_restored_after_its_upgrade_was_recorded_is_upgraded_again(database_url):
    async with MySQLSessionStorage(database_url, on_error="raise"):
        pass
    await run_sql(database_url, f"DROP TABLE shopify_sessions; {CREATE_TODAYS}")
    async with MySQLSessionStorage(database_url, on_error="raise"):
        pass
    await check_upgraded(database_url)
    await run_sql(database_url, "ALTER TABLE shopify_sessions MODIFY scope varchar(1024)")
    async with MySQLSessionStorage(database_url, on_error="raise"):
        pass
    await check_upgraded(database_url)


@pytest.mark.asyncio
async def test_tables_may_have_any_name(database_url):
    await take_any_name(
        lambda name: MySQLSessionStorage(database_url, session_table_name=name, on_error="raise")
    )


@pytest.mark.asyncio
async def test_odd_old_user_ids_do_not_stop_the_migration(database_url):
    await restore(database_url, "mysql_v5")
    await run_sql(
        database_url,
        "INSERT INTO shopify_sessions (id, shop, state, isOnline, onlineAccessInfo) VALUES "
        "('a', 'odd.example', '', 1, 'abc'), ('b', 'odd.example', '', 1, ''), "
        "('c', 'odd.example', '', 1, '98765432101.0')",
    )
    async with MySQLSessionStorage(database_url, on_error="raise") as storage:
        found = await storage.find_sessions_by_shop("odd.example")
    ids = {session.id: session.online_access_info.associated_user.id for session in found}
    assert ids == {"a": None, "b": None, "c": 98765432101}


@pytest.mark.asyncio
async def test_numbers_in_other_types_are_read_as_javascript_reads_them(database_url):
    columns = TODAYS_COLUMNS.replace("expires int", "expires decimal(20,3)").replace(
        "userId bigint", "userId varchar(255)"
    )
    await run_sql(
        database_url,
        f"CREATE TABLE shopify_sessions ({columns}); "
        "INSERT INTO shopify_sessions (id, shop, state, isOnline, expires, userId) "
        "VALUES ('a', 'b', '', 1, 1795305600, '98765432101.0')",
    )
    async with MySQLSessionStorage(database_url, on_error="raise") as storage:
        loaded = await storage.load_session("a")
    assert loaded.expires.timestamp() == 1795305600
    assert loaded.online_access_info.associated_user.id == 98765432101


@pytest.mark.asyncio
async def test_several_tables_may_share_one_record(database_url):
    loads = await restore(database_url, "mysql_v5")
    for name in ("second", "SECOND", "été"):
        await run_sql(database_url, f"CREATE TABLE `{name}` LIKE shopify_sessions")
        await run_sql(database_url, f"INSERT INTO `{name}` SELECT * FROM shopify_sessions")
    for name in ("shopify_sessions", "second", "SECOND", "été"):
        await check_loads(database_url, loads, name)
        await check_upgraded(database_url, name)
        assert (
            await MySQLSessionStorage(database_url, session_table_name=name).migration_sql() == ""
        )


def starting(url: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a process that opens the database; with a number, it dies before that statement."""
    source = """
    import asyncio, os, signal, sys
    from shopify_session_storage_mysql import MySQLSessionStorage, statements

    url, left = sys.argv[1], [int(argument) for argument in sys.argv[2:]]
    run = statements.run

    async def counting(connection, sql):
        if left:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return await run(connection, sql)

    statements.run = counting

    async def main():
        async with MySQLSessionStorage(url, on_error="raise") as opened:
            await opened.find_sessions_by_shop("old-store.myshopify.com")

    asyncio.run(main())
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(source), url, *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.asyncio
@pytest.mark.parametrize("old", [None, *OLD])
async def test_twenty_processes_start_at_once(database_url, old):
    loads = await restore(database_url, old) if old else None
    for process in [starting(database_url) for _ in range(20)]:
        _, errors = process.communicate(timeout=100)
        assert process.returncode == 0, errors
    await check_upgraded(database_url)
    if loads:
        await check_loads(database_url, loads)


@pytest.mark.asyncio
@pytest.mark.parametrize("old", [None, "mysql_v1_0"])
async def test_process_killed_at_any_statement_leaves_what_the_next_start_completes(
    database_url, old
):
    survived = False
    for statement in range(60):
        await recreate(database_url)
        loads = await restore(database_url, old) if old else None
        process = starting(database_url, statement)
        _, errors = await asyncio.to_thread(process.communicate, timeout=60)
        survived = process.returncode == 0
        assert survived or process.returncode == -9, errors
        async with MySQLSessionStorage(database_url) as storage:
            await storage.ready()
        await check_upgraded(database_url)
        if loads:
            await check_loads(database_url, loads)
        if survived:
            break
    assert survived
    assert statement > 10


@pytest.mark.asyncio
async def test_tables_that_javascript_creates_at_the_same_moment_do_no_harm(database_url):
    record = "shopify_sessions_migrations (migration_name varchar(255) NOT NULL PRIMARY KEY)"

    async def javascript() -> None:
        connection = await aiomysql.connect(**options_of(database_url), autocommit=True)
        for sql in (CREATE_TODAYS, f"CREATE TABLE IF NOT EXISTS {record}"):
            await connection.query(sql)
        await connection.ensure_closed()

    for _ in range(10):
        await recreate(database_url)
        storages = [MySQLSessionStorage(database_url) for _ in range(3)]
        await asyncio.gather(javascript(), *(storage.ready() for storage in storages))
        await asyncio.gather(*(storage.disconnect() for storage in storages))
        await check_upgraded(database_url)


@pytest.mark.asyncio
async def test_only_one_process_migrates_a_table_at_a_time(database_url, monkeypatch):
    monkeypatch.setattr("shopify_session_storage_mysql.migrations._LOCK_SECONDS", 0)
    first = MySQLSessionStorage(database_url)
    await first._open_connections()
    async with first._migration_connection():
        with pytest.raises(MigrationError, match="another process"):
            await MySQLSessionStorage(database_url).ready()
        other = MySQLSessionStorage(database_url, session_table_name="others")
        await other.ready()
        await other.disconnect()
    await first._close()
    async with MySQLSessionStorage(database_url, on_error="raise"):
        pass
    await check_upgraded(database_url)


@pytest.mark.asyncio
async def test_record_that_javascript_writes_at_the_same_moment_does_no_harm(database_url):
    storage = MySQLSessionStorage(database_url)
    apply = storage._migrator

    def migrator(connection):
        one = apply(connection)
        save = one.save_applied_migration

        async def late(name: str) -> None:
            if name == "addRefreshTokenFields" and not done:
                done.append(name)
                await run_sql(
                    database_url,
                    f"INSERT INTO shopify_sessions_migrations VALUES ('{name}')",
                )
            await save(name)

        one.save_applied_migration = late
        return one

    done: list[str] = []
    storage._migrator = migrator
    await storage.ready()
    await storage.disconnect()
    assert done
    await check_upgraded(database_url)
