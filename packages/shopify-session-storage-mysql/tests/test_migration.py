"""Tables that the official JavaScript adapter made, at any age, become ours and stay its own."""

import golden
import pytest
import pytest_asyncio
from servers.naming import take_any_name
from shopify_session_storage import Session
from shopify_session_storage.testing import SessionStorageBattery
from shopify_session_storage_mysql import MySQLSessionStorage

from .conftest import query, run_sql
from .upgrading import (
    CREATE_TODAYS,
    DATA,
    OLD,
    TODAYS_COLUMNS,
    check_loads,
    check_upgraded,
    recreate,
    restore,
)


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
