"""Tables that are in use: altered while others write, and rewritten on somebody's word alone."""

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic

import aiomysql
import pytest
from servers.mysql import options_of
from shopify_session_storage import MigrationError, SessionStorageError
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_mysql import MySQLSessionStorage

from .conftest import SHOP, compares, query, run_sql
from .upgrading import CREATE_TODAYS, OLD, check_loads, check_upgraded, restore

TABLE = "shopify_sessions"


@pytest.fixture
def large(monkeypatch):
    """Let any table count as large."""
    monkeypatch.setattr("shopify_session_storage_mysql.migrations._LARGE", 0)


async def types(url: str) -> dict[str, str]:
    rows = await query(url, f"SHOW FULL COLUMNS FROM {TABLE}")
    return {row[0]: f"{row[1]} {row[2]}" for row in rows}


async def indexes(url: str) -> set[tuple]:
    return {row[2:5] for row in await query(url, f"SHOW INDEX FROM {TABLE}")}


@pytest.mark.asyncio
async def test_large_table_gets_its_index_and_is_not_rewritten(database_url, large, caplog):
    await run_sql(database_url, f"{CREATE_TODAYS} COLLATE utf8mb4_general_ci")
    before = await types(database_url)
    for _ in range(2):
        storage = MySQLSessionStorage(database_url, on_error="raise")
        for _ in range(2):
            async with storage:
                await storage.store_session(offline_session(SHOP))
                assert await storage.find_sessions_by_shop(SHOP)
        assert await types(database_url) == before
        assert (f"{TABLE}_shop_index", 1, "shop") in await indexes(database_url)
        warnings = [one for one in caplog.records if one.levelno == logging.WARNING]
        assert len(warnings) == 1  # said once
        assert "rewrite_large_tables=True" in caplog.text
        sql = await storage.migration_sql()
        assert sql.count("MODIFY COLUMN") == 12
        assert sql in caplog.text
        caplog.clear()
    await run_sql(database_url, sql)
    await check_upgraded(database_url)
    async with MySQLSessionStorage(database_url, on_error="raise") as storage:
        assert await storage.load_session(f"offline_{SHOP}")
        assert await storage.migration_sql() == ""
    assert not caplog.records


@pytest.mark.asyncio
@pytest.mark.parametrize("name", OLD)
async def test_large_old_table_is_rewritten_on_a_word(database_url, large, name):
    loads = await restore(database_url, name)
    async with MySQLSessionStorage(database_url, on_error="raise") as storage:
        await storage.store_session(offline_session("new.example"))  # with the old columns
        await storage.delete_session("offline_new.example")
    async with MySQLSessionStorage(database_url, rewrite_large_tables=True, on_error="raise"):
        pass
    await check_upgraded(database_url)
    await check_loads(database_url, loads)


@pytest.mark.asyncio
async def test_what_does_not_fit_old_columns_is_a_typed_error(database_url, large):
    await run_sql(database_url, CREATE_TODAYS)
    async with MySQLSessionStorage(database_url, on_error="raise") as storage:
        for session, hint in (
            (offline_session(SHOP, access_token="x" * 300), "accessToken"),
            (offline_session(SHOP, expires=datetime(2040, 1, 1, tzinfo=UTC)), "expires"),
        ):
            with pytest.raises(SessionStorageError, match=hint) as caught:
                await storage.store_session(session)
            assert type(caught.value) is SessionStorageError
            assert await storage.load_session(session.id) is None
    # A pool of somebody's own that is not strict would cut them.
    options = {**options_of(database_url), "init_command": "SET sql_mode = ''"}
    async with aiomysql.create_pool(**options) as pool:
        with pytest.raises(MigrationError, match="STRICT_ALL_TABLES"):
            await MySQLSessionStorage(pool).ready()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "collation", ["utf8mb4_general_ci", "utf8mb4_unicode_ci", "latin1_swedish_ci"]
)
async def test_ids_that_an_old_collation_confuses_never_overwrite_each_other(
    database_url, large, collation
):
    charset = collation.partition("_")[0]
    await run_sql(database_url, f"{CREATE_TODAYS} CHARACTER SET {charset} COLLATE {collation}")
    async with MySQLSessionStorage(database_url, on_error="raise") as storage:
        session = replace(offline_session(SHOP, access_token="1"), id="café")
        await storage.store_session(session)
        for id in ("CAFÉ", "café "):
            other = replace(session, id=id, access_token="2")
            for write in (
                storage.store_session(other),
                storage.compare_and_store(other, None),
            ):
                with pytest.raises(SessionStorageError, match=r"collation|1062"):
                    await write
            assert await storage.compare_and_store(other, replace(session, id=id)) is False
            assert await storage.compare_and_delete(replace(session, id=id)) is True
            assert await storage.delete_sessions([id, "none"]) is True
            assert await storage.load_session(id) is None
            assert session.equals(await storage.load_session("café"))
        assert await storage.find_sessions_by_shop(SHOP.upper()) == []
        pages = [page async for page in storage.scan_sessions(batch=1)]
        assert [one.id for page in pages for one in page.sessions] == ["café"]
        # Others in the group are stored.
        many = [online_session(SHOP, user) for user in range(30)]
        results = await asyncio.gather(
            *map(storage.store_session, [*many, other]), return_exceptions=True
        )
        assert results[:-1] == [True] * 30
        assert isinstance(results[-1], SessionStorageError)
        assert await storage.delete_sessions([one.id for one in many]) is True
        assert await storage.delete_session("café") is True
        await compares(storage)


@pytest.mark.asyncio
async def test_index_name_that_is_taken_is_no_obstacle(database_url):
    await run_sql(
        database_url,
        f"{CREATE_TODAYS}; ALTER TABLE {TABLE} ADD INDEX {TABLE}_shop_index (scope(10))",
    )
    async with MySQLSessionStorage(database_url, on_error="raise") as storage:
        assert (f"{TABLE}_shop_index_2", 1, "shop") in await indexes(database_url)
        assert await storage.migration_sql() == ""


@pytest.mark.asyncio
async def test_dropped_index_comes_back(database_url):
    async with MySQLSessionStorage(database_url, on_error="raise"):
        await run_sql(database_url, f"ALTER TABLE {TABLE} DROP INDEX {TABLE}_shop_index")
    async with MySQLSessionStorage(database_url, on_error="raise"):
        pass
    await check_upgraded(database_url)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "key", ["", "ADD INDEX (id)", "ADD PRIMARY KEY (id, shop)", "ADD UNIQUE (id(20))"]
)
async def test_table_in_which_an_id_can_be_twice_is_refused(database_url, key):
    async with MySQLSessionStorage(database_url, on_error="raise") as storage:
        await storage.store_session(offline_session(SHOP))
    await run_sql(
        database_url,
        f"CREATE TABLE copy AS SELECT * FROM {TABLE}; DROP TABLE {TABLE}; "
        f"RENAME TABLE copy TO {TABLE}",
    )
    if key:
        await run_sql(database_url, f"ALTER TABLE {TABLE} {key}")
    for _ in range(2):
        with pytest.raises(MigrationError, match="no primary key") as caught:
            await MySQLSessionStorage(database_url).ready()
    *_, sql = str(caught.value).splitlines()
    if "PRIMARY" not in key:
        await run_sql(database_url, sql)
        async with MySQLSessionStorage(database_url, on_error="raise") as storage:
            assert await storage.load_session(f"offline_{SHOP}")


@pytest.mark.asyncio
async def test_nobody_queues_for_long_behind_a_migration_that_waits(database_url):
    """Somebody's transaction on the table goes on, so that the index must wait."""
    await run_sql(database_url, CREATE_TODAYS)
    async with aiomysql.connect(**options_of(database_url)) as other:
        await other.query(f"SELECT * FROM {TABLE}")  # holds the table's definition
        storage = MySQLSessionStorage(database_url)
        migrating = asyncio.ensure_future(storage.ready())
        longest = 0.0
        end = monotonic() + 4
        while monotonic() < end:
            began = monotonic()
            # As the official adapter writes.
            await query(
                database_url,
                f"INSERT INTO {TABLE} (id, shop, state, isOnline) VALUES ('a', 'b', '', 0) "
                "ON DUPLICATE KEY UPDATE state = ''",
            )
            longest = max(longest, monotonic() - began)
        assert not migrating.done()
        assert longest < 3
        await other.rollback()
        await migrating
        await storage.disconnect()
    await check_upgraded(database_url)


@pytest.mark.asyncio
async def test_table_of_an_engine_that_cannot_alter_online_waits_for_a_word(database_url, large):
    await run_sql(
        database_url,
        f"{CREATE_TODAYS} ENGINE=MyISAM CHARACTER SET latin1; "
        f"ALTER TABLE {TABLE} DROP COLUMN email",
    )
    with pytest.raises(MigrationError, match="rewrite_large_tables=True"):
        await MySQLSessionStorage(database_url).ready()
    async with MySQLSessionStorage(database_url, rewrite_large_tables=True, on_error="raise"):
        pass
    await check_upgraded(database_url)


@pytest.mark.asyncio
async def test_small_table_is_told_from_a_large_one_by_its_rows(database_url, monkeypatch):
    monkeypatch.setattr("shopify_session_storage_mysql.migrations._LARGE", 50)
    await run_sql(database_url, CREATE_TODAYS)
    rows = ", ".join(f"('{number}', 'b', '', 0)" for number in range(50))
    await run_sql(database_url, f"INSERT INTO {TABLE} (id, shop, state, isOnline) VALUES {rows}")
    old = await types(database_url)
    async with MySQLSessionStorage(database_url, on_error="raise") as storage:
        assert await types(database_url) == old
        await storage.delete_session("1")
    async with MySQLSessionStorage(database_url, on_error="raise") as storage:
        await check_upgraded(database_url)
