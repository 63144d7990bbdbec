"""Behind PgBouncer every promise holds, whatever others leave in its connections."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest
import pytest_asyncio
from servers import postgresql
from servers.breaking import breakable_server
from servers.discovery import free_port
from servers.handful import Handful
from shopify_session_storage.testing import SessionStorageBattery
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_postgresql import PostgreSQLSessionStorage

from .conftest import query, run_sql
from .official_table import INDEXES, ROWS, TABLE, works

SHOP = "alpha.myshopify.com"


class TestBehindPgBouncer(SessionStorageBattery):
    lacks = frozenset({"breakable"})  # it is the pooler that would go away

    @pytest.fixture
    def storage_factory(self, pgbouncer_url):
        return lambda: PostgreSQLSessionStorage(pgbouncer_url)

    @pytest_asyncio.fixture
    async def storage(self, storage_factory):
        async with storage_factory() as storage:
            assert storage._behind_pooler
            yield storage

    @pytest.fixture
    def failing_storage_factory(self):
        return lambda on_error: PostgreSQLSessionStorage(
            postgresql.url_of("127.0.0.1", free_port()), on_error=on_error
        )

    @pytest_asyncio.fixture
    async def breakable(self, pgbouncer_url):
        def make(url, on_error):
            return PostgreSQLSessionStorage(url, on_error=on_error)

        async with breakable_server(pgbouncer_url, make) as server:
            yield server


class TestPoolOfTheUserBehindPgBouncer(Handful, TestBehindPgBouncer):
    lacks = frozenset({"another_loop"})

    @pytest_asyncio.fixture
    async def storage(self, pgbouncer_url):
        async with asyncpg.create_pool(pgbouncer_url, min_size=1) as pool:
            yield PostgreSQLSessionStorage(pool)


@pytest.mark.asyncio
async def test_many_clients_of_a_pooler_get_their_own_answers(pgbouncer_url):
    async def client(number: int) -> None:
        async with PostgreSQLSessionStorage(pgbouncer_url, on_error="raise") as storage:
            shop = f"pooled-{number}.myshopify.com"
            many = [online_session(shop, user) for user in range(20)]
            for _ in range(5):
                await asyncio.gather(*map(storage.store_session, many))
                loaded = await asyncio.gather(*(storage.load_session(one.id) for one in many))
                assert all(one.equals(other) for one, other in zip(many, loaded, strict=True))
                assert len(await storage.find_sessions_by_shop(shop)) == 20
            await storage.delete_sessions(one.id for one in many)

    await asyncio.gather(*map(client, range(12)))  # on four connections of the server


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
