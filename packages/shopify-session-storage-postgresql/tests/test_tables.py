"""What stands in the database counts, and a large live table is used while it is migrated."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from shopify_session_storage import MigrationError, Session, SessionStorageError
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_postgresql import PostgreSQLSessionStorage

from .test_migration import query, run_sql
from .test_postgresql import limited_user

SHOP = "alpha.myshopify.com"
# As version 8 of the official adapter makes it.
TABLE = """CREATE TABLE shopify_sessions (id varchar(255) NOT NULL PRIMARY KEY,
shop varchar(255) NOT NULL, state varchar(255) NOT NULL, "isOnline" boolean NOT NULL,
scope varchar(1024), expires integer, "accessToken" varchar(255), "refreshToken" varchar(255),
"refreshTokenExpires" bigint, "userId" bigint, "firstName" varchar(255), "lastName" varchar(255),
email varchar(255), "accountOwner" boolean, locale varchar(255), collaborator boolean,
"emailVerified" boolean);"""
ROWS = """INSERT INTO shopify_sessions (id, shop, state, "isOnline", scope, expires, "accessToken")
SELECT 'offline_' || n || '.example', n || '.example', '', false, 'read_products', 1900000000,
'shpat_' || n FROM generate_series(1, {}) AS n;"""
BROKEN = """UPDATE pg_index SET indisvalid = false
WHERE indexrelid = 'shopify_sessions_shop_index'::regclass"""
INDEXES = "SELECT indexdef FROM pg_indexes WHERE tablename = 'shopify_sessions'"
TYPE = "SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attname = 'expires' AND \
attrelid = 'shopify_sessions'::regclass"


def long_session(shop: str = SHOP) -> Session:
    """Return a session that does not fit the types of the official adapter."""
    return offline_session(
        shop, access_token="x" * 400, expires=datetime(2040, 1, 1, tzinfo=UTC), refresh_token="r"
    )


async def works(storage: PostgreSQLSessionStorage, session: Session) -> None:
    assert await storage.store_session(session) is True
    assert session.equals(await storage.load_session(session.id))


async def has_index(url: str) -> bool:
    return any("(shop)" in index for (index,) in await query(url, INDEXES))


# --- what stands outranks the record --------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("by", ["start", "printed SQL"])
@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE shopify_sessions;" + TABLE,
        "DROP INDEX shopify_sessions_shop_index",
        "ALTER TABLE shopify_sessions ALTER COLUMN expires TYPE integer",
        'ALTER TABLE shopify_sessions ALTER COLUMN "accessToken" TYPE varchar(255)',
        'ALTER TABLE shopify_sessions DROP COLUMN "refreshToken"',
        BROKEN,
    ],
)
async def test_table_of_an_older_backup_is_brought_up_to_date(database_url, change, by):
    async with PostgreSQLSessionStorage(database_url) as storage:
        assert await storage.migration_sql() == ""
    await run_sql(database_url, change)
    sql = await PostgreSQLSessionStorage(database_url).migration_sql()
    assert sql != ""
    if by == "printed SQL":
        await run_sql(database_url, sql)
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        await works(storage, long_session())
        assert await storage.migration_sql() == ""
    assert await has_index(database_url)
    assert await query(database_url, "SELECT 1 FROM pg_index WHERE NOT indisvalid") == []


@pytest.mark.asyncio
@pytest.mark.parametrize("recorded", [False, True])
async def test_table_without_a_key_is_refused_with_what_to_run(database_url, recorded):
    if recorded:
        async with PostgreSQLSessionStorage(database_url):
            pass
        await run_sql(
            database_url,
            "CREATE TABLE copy AS SELECT * FROM shopify_sessions; DROP TABLE shopify_sessions; "
            "ALTER TABLE copy RENAME TO shopify_sessions",
        )
    else:
        await run_sql(database_url, TABLE.replace("PRIMARY KEY", ""))
    storage = PostgreSQLSessionStorage(database_url, on_error="raise")
    with pytest.raises(MigrationError, match="no primary key") as caught:
        await storage.store_session(offline_session(SHOP))
    assert 'ADD PRIMARY KEY ("id")' in str(caught.value)
    sql = await storage.migration_sql()
    assert "ADD PRIMARY KEY" in sql
    await run_sql(database_url, sql)
    await works(storage, long_session())
    await storage.disconnect()


@pytest.mark.asyncio
async def test_unique_ids_are_as_good_as_a_primary_key(database_url):
    await run_sql(database_url, TABLE.replace("PRIMARY KEY", "UNIQUE"))
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        await works(storage, long_session())


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "taken",
    [
        "CREATE TABLE shopify_sessions_shop_index (a int)",
        "CREATE TABLE other (a int); CREATE INDEX shopify_sessions_shop_index ON other (a)",
        "CREATE SEQUENCE shopify_sessions_shop_index",
        "CREATE INDEX shopify_sessions_shop_index ON shopify_sessions (state)",
    ],
)
async def test_name_of_the_index_that_is_taken(database_url, taken):
    await run_sql(database_url, TABLE + taken)
    for _ in range(2):
        async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
            await works(storage, long_session())
            assert await storage.migration_sql() == ""
        indexes = await query(database_url, INDEXES)
        assert sum("(shop)" in index for (index,) in indexes) == 1


@pytest.mark.asyncio
async def test_table_that_the_search_path_finds_in_another_schema_is_used(database_url):
    await run_sql(database_url, TABLE + ROWS.format(3) + "CREATE SCHEMA app")
    async with PostgreSQLSessionStorage(
        f"{database_url}?search_path=app,public", on_error="raise"
    ) as storage:
        assert (await storage.load_session("offline_2.example")).access_token == "shpat_2"
    tables = await query(database_url, "SELECT 1 FROM pg_tables WHERE schemaname = 'app'")
    assert tables == []


# --- large tables ---------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_large_table_is_not_rewritten_by_a_start(database_url, caplog):
    await run_sql(database_url, TABLE + ROWS.format(100_000))
    before = await query(database_url, "SELECT pg_relation_filenode('shopify_sessions')")
    with caplog.at_level(logging.WARNING, "shopify_session_storage"):
        storage = PostgreSQLSessionStorage(database_url, on_error="raise")
        for _ in range(2):
            async with storage:
                session = offline_session(SHOP, access_token="x" * 400)
                session.expires = datetime(2037, 1, 1, tzinfo=UTC)
                await works(storage, session)
                with pytest.raises(SessionStorageError, match="does not fit") as caught:
                    await storage.store_session(long_session())
                assert type(caught.value) is SessionStorageError
                results = await asyncio.gather(
                    *(storage.store_session(long_session(f"{n}.example")) for n in range(3)),
                    storage.store_session(session),
                    return_exceptions=True,
                )
                assert [type(result) for result in results] == [SessionStorageError] * 3 + [bool]
                held = "SELECT 1 FROM pg_locks WHERE relation = 'shopify_sessions'::regclass"
                assert await query(database_url, held) == []
                sql = await storage.migration_sql()
    assert await query(database_url, "SELECT pg_relation_filenode('shopify_sessions')") == before
    assert await has_index(database_url)
    (warning,) = [record.getMessage() for record in caplog.records]
    assert sql.strip() in warning
    assert "rewrite_large_tables" in warning
    assert "bigint" in sql
    await run_sql(database_url, sql)
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        await works(storage, long_session())
        assert await storage.migration_sql() == ""


@pytest.mark.asyncio
async def test_large_table_is_rewritten_on_somebodys_word(database_url, caplog):
    await run_sql(database_url, TABLE + ROWS.format(100_000))
    async with PostgreSQLSessionStorage(
        database_url, rewrite_large_tables=True, on_error="raise"
    ) as storage:
        await works(storage, long_session())
        assert await storage.migration_sql() == ""
    assert await query(database_url, TYPE) == [("bigint",)]
    assert await has_index(database_url)
    assert caplog.records == []


@pytest.mark.asyncio
@pytest.mark.parametrize("analyzed", [False, True])
async def test_table_that_is_not_large_is_rewritten(database_url, analyzed):
    await run_sql(database_url, TABLE + ROWS.format(99_000))
    if analyzed:
        await run_sql(database_url, "ANALYZE")
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        await works(storage, long_session())
    assert await query(database_url, TYPE) == [("bigint",)]


@pytest.mark.asyncio
async def test_large_old_table_keeps_what_a_rewrite_would_move(database_url, caplog):
    old = TABLE.replace('"userId" bigint,', '"onlineAccessInfo" varchar(255),')
    await run_sql(database_url, old + ROWS.format(100_000))
    await run_sql(
        database_url,
        'UPDATE shopify_sessions SET "isOnline" = true, "onlineAccessInfo" = \'77\' '
        "WHERE shop = '5.example'",
    )
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        found = await storage.load_session("offline_5.example")
        assert found.online_access_info.associated_user.id is None
        assert "onlineAccessInfo" in caplog.text
    async with PostgreSQLSessionStorage(
        database_url, on_error="raise", rewrite_large_tables=True
    ) as storage:
        found = await storage.load_session("offline_5.example")
        assert found.online_access_info.associated_user.id == 77


@pytest.mark.asyncio
async def test_leftover_of_a_killed_build_is_replaced(database_url):
    await run_sql(database_url, TABLE + ROWS.format(100_000))
    await run_sql(
        database_url,
        f"CREATE INDEX shopify_sessions_shop_index ON shopify_sessions (shop); {BROKEN}",
    )
    async with PostgreSQLSessionStorage(database_url):
        pass
    assert await query(database_url, "SELECT 1 FROM pg_index WHERE NOT indisvalid") == []
    assert await has_index(database_url)


@pytest.mark.asyncio
async def test_index_that_somebody_builds_is_left_to_him(database_url):
    await run_sql(database_url, TABLE + ROWS.format(100_000))
    # A transaction from before, for which the build has to wait.
    reader = await asyncpg.connect(database_url)
    transaction = reader.transaction(isolation="repeatable_read")
    await transaction.start()
    await reader.fetch("SELECT 1 FROM shopify_sessions LIMIT 1")
    builder = await asyncpg.connect(database_url)
    name = "shopify_sessions_shop_index"
    build = asyncio.ensure_future(
        builder.execute(f"CREATE INDEX CONCURRENTLY {name} ON shopify_sessions (shop)")
    )
    while not await query(
        database_url, f"SELECT to_regclass('{name}') WHERE to_regclass('{name}') IS NOT NULL"
    ):
        await asyncio.sleep(0.05)
    began = time.monotonic()
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        assert time.monotonic() - began < 30
        await works(storage, offline_session(SHOP, access_token="t", expires=None))
    await transaction.rollback()
    await build
    assert await query(database_url, "SELECT 1 FROM pg_index WHERE NOT indisvalid") == []
    for connection in (reader, builder):
        await connection.close()


@pytest.mark.asyncio
async def test_twenty_storages_start_at_once_on_a_large_table(database_url):
    await run_sql(database_url, TABLE + ROWS.format(100_000))
    storages = [PostgreSQLSessionStorage(database_url, on_error="raise") for _ in range(20)]
    await asyncio.gather(*(storage.ready() for storage in storages))
    await works(storages[0], offline_session(SHOP, access_token="t", expires=None))
    await asyncio.gather(*(storage.disconnect() for storage in storages))
    async with PostgreSQLSessionStorage(database_url):
        pass
    indexes = await query(database_url, INDEXES)
    assert sum("(shop)" in index for (index,) in indexes) == 1
    assert await query(database_url, "SELECT 1 FROM pg_index WHERE NOT indisvalid") == []


@pytest.mark.asyncio
async def test_user_who_may_not_build_the_index_is_told_the_sql(database_url):
    async with PostgreSQLSessionStorage(database_url):
        pass
    await run_sql(database_url, ROWS.format(100_000) + "DROP INDEX shopify_sessions_shop_index")
    url = await limited_user(
        database_url,
        "SELECT, INSERT, UPDATE, DELETE ON shopify_sessions",
        "SELECT ON shopify_sessions_migrations",
    )
    with pytest.raises(MigrationError, match="CREATE INDEX CONCURRENTLY"):
        await PostgreSQLSessionStorage(url).ready()


# --- nobody waits behind a migration --------------------------------------------------------------


@pytest.mark.asyncio
async def test_writers_do_not_queue_behind_a_migration_that_waits_for_a_transaction(
    database_url, caplog
):
    await run_sql(database_url, TABLE + ROWS.format(10))
    somebody = await asyncpg.connect(database_url)
    await somebody.execute("BEGIN; UPDATE shopify_sessions SET state = 'x' WHERE id LIKE '%_1.%'")
    storage = PostgreSQLSessionStorage(database_url, on_error="raise")
    start = asyncio.ensure_future(storage.ready())
    writer = await asyncpg.connect(database_url)
    longest = 0.0
    for _ in range(40):
        began = time.monotonic()
        await writer.execute("UPDATE shopify_sessions SET state = 'y' WHERE id LIKE '%_2.%'")
        longest = max(longest, time.monotonic() - began)
        await asyncio.sleep(0.05)
    assert longest < 3
    await start  # works with the old columns
    assert "some transaction" in caplog.text
    await works(storage, offline_session(SHOP, access_token="t", expires=None))
    await storage.disconnect()
    await somebody.execute("ROLLBACK")
    await works(storage, long_session())
    await storage.disconnect()
    for connection in (somebody, writer):
        await connection.close()


@pytest.mark.asyncio
async def test_stores_of_another_process_go_on_while_a_large_table_is_migrated(database_url):
    await run_sql(database_url, TABLE + ROWS.format(150_000))
    source = """
    import asyncio, sys, time, asyncpg

    async def main():
        connection = await asyncpg.connect(sys.argv[1])
        longest = count = 0
        print("ready", flush=True)
        end = asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        while not end.done():
            began = time.monotonic()
            await connection.execute(
                'INSERT INTO shopify_sessions (id, shop, state, "isOnline") VALUES '
                "($1, 'a', '', false) ON CONFLICT (id) DO UPDATE SET state = 'x'", f"n{count % 50}"
            )
            longest = max(longest, time.monotonic() - began)
            count += 1
            await asyncio.sleep(0)
        print(count, longest, flush=True)

    asyncio.run(main())
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(source), database_url],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    await asyncio.to_thread(process.stdout.readline)
    async with PostgreSQLSessionStorage(database_url, on_error="raise"):
        pass
    answer, _ = await asyncio.to_thread(process.communicate, "end\n")
    assert process.returncode == 0
    count, longest = answer.split()
    assert int(count) > 10
    assert float(longest) < 1
    assert await has_index(database_url)


@pytest.mark.asyncio
async def test_process_killed_while_it_builds_the_index_leaves_what_the_next_start_completes(
    database_url,
):
    await run_sql(database_url, TABLE + ROWS.format(100_000))
    reader = await asyncpg.connect(database_url)
    transaction = reader.transaction(isolation="repeatable_read")
    await transaction.start()
    await reader.fetch("SELECT 1 FROM shopify_sessions LIMIT 1")  # the build waits for it
    source = """
    import asyncio, sys
    from shopify_session_storage_postgresql import PostgreSQLSessionStorage
    asyncio.run(PostgreSQLSessionStorage(sys.argv[1]).ready())
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(source), database_url])
    building = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONC%'"
    while not (pids := await query(database_url, building)):
        assert process.poll() is None
        await asyncio.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    await asyncio.to_thread(process.wait)
    await query(database_url, f"SELECT pg_terminate_backend({pids[0][0]})")
    await transaction.rollback()
    await reader.close()
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        await works(storage, offline_session(SHOP, access_token="t", expires=None))
    assert await has_index(database_url)
    assert await query(database_url, "SELECT 1 FROM pg_index WHERE NOT indisvalid") == []


# --- behind PgBouncer -----------------------------------------------------------------------------


async def leave(url: str, path: str) -> None:
    """Leave a search path in every server connection of a pooler."""
    clients = [await asyncpg.connect(url, statement_cache_size=0) for _ in range(4)]
    transactions = [client.transaction() for client in clients]
    for transaction in transactions:
        await transaction.start()
    for client in clients:
        await client.execute(f"SELECT set_config('search_path', '{path}', false)")
    for transaction in transactions:
        await transaction.commit()
    for client in clients:
        await client.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("exists", [True, False])
async def test_search_path_left_in_a_pooler_changes_nothing(postgresql_url, pgbouncer_url, exists):
    name = "left_path"
    await run_sql(
        postgresql_url,
        f"DROP SCHEMA IF EXISTS tenant CASCADE; CREATE SCHEMA tenant; "
        f"DROP TABLE IF EXISTS {name}, {name}_leases",
    )
    session = offline_session(SHOP)
    options = {"on_error": "raise", "session_table_name": name}
    running = PostgreSQLSessionStorage(pgbouncer_url, **options)
    try:
        if exists:
            await works(running, session)
        await leave(pgbouncer_url, "tenant")
        await works(running, session)
        assert await running.acquire_lease("name", "holder", timedelta(minutes=1))
        async with PostgreSQLSessionStorage(pgbouncer_url, **options) as other:
            assert session.equals(await other.load_session(session.id))
            assert await other.migration_sql() == ""
        rows = await query(
            postgresql_url, f"SELECT schemaname FROM pg_tables WHERE tablename = '{name}'"
        )
        assert rows == [("public",)]
    finally:
        await running.disconnect()
        await leave(pgbouncer_url, '"$user", public')
        await run_sql(postgresql_url, "DROP SCHEMA tenant CASCADE")


@pytest.mark.asyncio
async def test_large_table_behind_a_pooler(postgresql_url, pgbouncer_url):
    table = TABLE.replace("shopify_sessions", "large_pooled")
    await run_sql(postgresql_url, "DROP TABLE IF EXISTS large_pooled;" + table)
    await run_sql(postgresql_url, ROWS.format(100_000).replace("shopify_sessions", "large_pooled"))
    storages = [
        PostgreSQLSessionStorage(pgbouncer_url, session_table_name="large_pooled") for _ in range(3)
    ]
    await asyncio.gather(*(storage.ready() for storage in storages))
    await asyncio.gather(*(storage.disconnect() for storage in storages))
    async with PostgreSQLSessionStorage(pgbouncer_url, session_table_name="large_pooled"):
        pass
    indexes = await query(postgresql_url, INDEXES.replace("shopify_sessions", "large_pooled"))
    assert sum("(shop)" in index for (index,) in indexes) == 1
    assert await query(postgresql_url, "SELECT 1 FROM pg_index WHERE NOT indisvalid") == []
