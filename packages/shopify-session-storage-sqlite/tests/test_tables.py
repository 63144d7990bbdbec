"""What stands in the database counts, not what is recorded: primary keys and indexes."""

import sqlite3

import pytest
from shopify_session_storage import MigrationError, RdbmsSessionStorageMigratorOptions
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_sqlite import SQLiteSessionStorage

from .conftest import query

SHOP = "alpha.myshopify.com"
REST = "state text, isOnline integer, scope text, expires bigint, accessToken text"
TABLE = "CREATE TABLE shopify_sessions"


def change(path, *statements):
    connection = sqlite3.connect(path, isolation_level=None)
    for sql in statements:
        connection.execute(sql)
    connection.close()


async def start(path):
    async with SQLiteSessionStorage(path, on_error="raise") as storage:
        session = offline_session(SHOP)
        await storage.store_session(session)
        assert session.equals((await storage.find_sessions_by_shop(SHOP))[0])


def uses_an_index(path):
    ((*_, plan),) = query(path, "EXPLAIN QUERY PLAN SELECT * FROM shopify_sessions WHERE shop = ''")
    return "USING INDEX" in plan


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "statements",
    [
        ["ALTER TABLE shopify_sessions RENAME TO backup"],
        ["ALTER TABLE shopify_sessions RENAME TO a",
         "CREATE TABLE Shopify_Sessions_Shop_Index_2 (x)"],
        ["DROP TABLE shopify_sessions", "CREATE TABLE shopify_sessions_shop_index (x)"],
        ["DROP INDEX shopify_sessions_shop_index"],
        ["DROP INDEX shopify_sessions_shop_index",
         "CREATE INDEX shopify_sessions_shop_index ON shopify_sessions (state, shop)"],
        ["DROP INDEX shopify_sessions_shop_index",
         "CREATE INDEX shopify_sessions_shop_index ON shopify_sessions (shop) WHERE isOnline"],
        ["DROP INDEX shopify_sessions_shop_index",
         "CREATE INDEX shopify_sessions_shop_index ON shopify_sessions (lower(shop))"],
    ],
)  # fmt: skip
async def test_find_has_an_index_also_if_its_name_is_taken(path, statements):
    await start(path)
    change(path, *statements)
    assert "CREATE INDEX" in await SQLiteSessionStorage(path).migration_sql()
    await start(path)
    assert uses_an_index(path)
    before = query(path, "SELECT name FROM sqlite_master ORDER BY name")
    await start(path)
    assert query(path, "SELECT name FROM sqlite_master ORDER BY name") == before


@pytest.mark.asyncio
async def test_printed_sql_is_right_for_tables_with_odd_names(path):
    options = {
        "session_table_name": "what? $1 %s",
        "migrator_options": RdbmsSessionStorageMigratorOptions("done? $1 %s"),
    }
    sql = await SQLiteSessionStorage(path, **options).migration_sql()
    change(path, *filter(str.strip, sql.split(";\n")))
    assert await SQLiteSessionStorage(path, **options).migration_sql() == ""
    async with SQLiteSessionStorage(path, on_error="raise", **options) as storage:
        assert await storage.store_session(offline_session(SHOP))


@pytest.mark.asyncio
async def test_index_of_another_name_is_enough(path):
    await start(path)
    change(
        path,
        "DROP INDEX shopify_sessions_shop_index",
        "CREATE INDEX mine ON shopify_sessions (SHOP, state)",
    )
    assert await SQLiteSessionStorage(path).migration_sql() == ""
    await start(path)
    assert [row[1] for row in query(path, "PRAGMA index_list(shopify_sessions)")] == [
        "mine",
        "sqlite_autoindex_shopify_sessions_1",
    ]


@pytest.mark.asyncio
@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize(
    "statements",
    [
        [f"{TABLE} (id text, shop text, {REST})"],
        [f"{TABLE} (id integer primary key, shop text, {REST})"],
        [f"{TABLE} (id text COLLATE NOCASE PRIMARY KEY, shop text, {REST})"],
        [f"{TABLE} (id text, shop text, {REST}, PRIMARY KEY (id, shop))"],
        [f"{TABLE} (id text, shop text PRIMARY KEY, {REST})"],
        [f"{TABLE} (id text, shop text, {REST})",
         "CREATE UNIQUE INDEX one ON shopify_sessions (id) WHERE isOnline"],
        [f"{TABLE} (id text, shop text, {REST})",
         "CREATE UNIQUE INDEX one ON shopify_sessions (lower(id))",
         "CREATE INDEX two ON shopify_sessions (id)"],
        [f"CREATE TABLE a (id text PRIMARY KEY, shop text, {REST})",
         "CREATE VIEW shopify_sessions AS SELECT * FROM a"],
    ],
)  # fmt: skip
async def test_table_that_could_hold_a_session_twice_is_refused_and_left_alone(
    path, statements, recorded
):
    if recorded:
        await start(path)
        change(path, "DROP TABLE shopify_sessions")
    change(path, *statements)
    before = query(path, "SELECT name, sql FROM sqlite_master")
    storage = SQLiteSessionStorage(path, on_error="raise")
    for call in (storage.ready(), storage.load_session("id"), storage.migration_sql()):
        with pytest.raises(MigrationError, match="primary key or unique index on id"):
            await call
    assert query(path, "SELECT name, sql FROM sqlite_master") == before


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "statements",
    [
        [f"{TABLE} (id text PRIMARY KEY, shop text, {REST}) WITHOUT ROWID"],
        [f"{TABLE} (ID text UNIQUE, shop text, {REST})"],
        [f"{TABLE} (number integer PRIMARY KEY, id text, shop text, {REST})",
         "CREATE UNIQUE INDEX one ON shopify_sessions (iD)"],
    ],
)  # fmt: skip
async def test_every_way_to_keep_ids_apart_will_do(path, statements):
    change(path, *statements)
    for _ in range(2):
        await start(path)
    assert uses_an_index(path)
    assert query(path, "SELECT count(*) FROM shopify_sessions") == [(1,)]
