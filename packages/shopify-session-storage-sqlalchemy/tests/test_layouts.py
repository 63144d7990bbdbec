"""SQLAlchemySessionStorage in the tables of Prisma and Drizzle."""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import aiomysql
import asyncpg
import environment
import golden
import pytest
import pytest_asyncio
from aiomysql.connection import CLIENT
from servers.foreign_tables import VARIANTS, create_table
from shopify_session_storage import InvalidSessionError, MigrationError
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_sqlalchemy import (
    SQLAlchemySessionStorage,
    leases_table,
    sessions_table,
)
from sqlalchemy import MetaData, Table, inspect

from .alembic_project import Alembic
from .conftest import DRIVERS, SHOP, engine_on, engine_url

# aiosqlite's thread of a connection whose event loop has ended says so on its way out.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")

MINUTE = timedelta(minutes=1)
GOLDEN = {
    "sqlite": ("prisma_iso", "prisma_unixepoch", "drizzle"),
    "postgresql": ("prisma", "drizzle"),
    "mysql": ("prisma", "drizzle"),
}


def kind_of(url):
    return url.get_backend_name().replace("mariadb", "mysql")


async def run_script(url, sql):
    """Run many statements, by the driver itself."""
    kind = kind_of(url)
    if kind == "sqlite":
        with closing(sqlite3.connect(url.database)) as connection:
            connection.executescript(sql)
        return
    login = {"host": url.host, "port": url.port, "user": url.username, "password": url.password}
    if kind == "postgresql":
        connection = await asyncpg.connect(**login, database=url.database)
        await connection.execute(sql)
        await connection.close()
        return
    connection = await aiomysql.connect(
        **login, db=url.database, autocommit=True, client_flag=CLIENT.MULTI_STATEMENTS
    )
    await connection.query(sql)
    while connection._result.has_next:
        await connection.next_result()
    await connection.ensure_closed()


@pytest_asyncio.fixture(params=DRIVERS)
async def empty(request, tmp_path):
    """Return the URL of a database that is empty, for each driver in turn."""
    url = engine_url(request, request.param, tmp_path)
    if kind_of(url) == "sqlite":
        yield url
        return
    name = f"foreign_{uuid4().hex[:12]}"
    await run_script(url, f"CREATE DATABASE {name}")
    yield url.set(database=name)
    force = " WITH (FORCE)" if kind_of(url) == "postgresql" else ""
    await run_script(url, f"DROP DATABASE {name}{force}")


async def names(engine):
    async with engine.connect() as connection:
        return await connection.run_sync(lambda c: sorted(inspect(c).get_table_names()))


def data_of(url):
    data = environment.ROOT / f"packages/shopify-session-storage-{kind_of(url)}/tests/data"
    if not data.exists():
        pytest.skip("the data of other packages is in the repository alone")
    return data


async def fill(url, folder):
    """Restore what an official adapter has stored."""
    data = data_of(url) / folder
    if kind_of(url) == "sqlite":
        shutil.copy(data / "sessions.sqlite", url.database)
    else:
        await run_script(url, (data / "dump.sql").read_text(encoding="utf-8"))


@pytest.mark.asyncio
async def test_what_the_official_adapters_stored(empty):
    data = data_of(empty)
    for folder in GOLDEN[kind_of(empty)]:
        await fill(empty, folder)
        expected = golden.without_artefacts(golden.load(data / folder / "expected_loads.json"))
        layout = folder.partition("_")[0]
        async with (
            engine_on(empty) as engine,
            SQLAlchemySessionStorage(engine, layout=layout, on_error="raise") as storage,
        ):
            await golden.assert_loads(storage, expected)


@pytest.mark.parametrize("layout", ["prisma", "drizzle"])
@pytest.mark.asyncio
async def test_every_variant(empty, layout):
    # The others differ in nothing that the variants differ in.
    is_main = empty.get_driver_name() in ("asyncpg", "aiomysql", "aiosqlite")
    for variant in VARIANTS if is_main else VARIANTS[-1:]:
        table = {"prisma": "Session", "drizzle": "session"}[layout]
        await run_script(empty, create_table(kind_of(empty), layout, variant))
        async with (
            engine_on(empty) as engine,
            SQLAlchemySessionStorage(engine, layout=layout, on_error="raise") as storage,
        ):
            await use(storage, variant)
            with pytest.raises(MigrationError, match=f"{table}_leases"):
                await storage.acquire_lease("a", "me", MINUTE)
            assert await names(engine) == [table]  # and nothing beside it
            await with_leases(engine, layout, table)
            async with engine.begin() as connection:
                await connection.run_sync(Table(table, MetaData()).drop)


async def use(storage, variant):
    offline, online = offline_session(SHOP, refresh_token="r"), online_session(SHOP)
    if variant < "V3":
        with pytest.raises(InvalidSessionError, match="refreshToken") as caught:
            await storage.store_session(offline)
        assert "ALTER TABLE" in str(caught.value)
        offline = replace(offline, refresh_token=None, refresh_token_expires=None)
    many = [online_session(SHOP, user) for user in range(1, 40)]
    await asyncio.gather(*map(storage.store_session, [offline, online, *many]))
    assert offline.equals(await storage.load_session(offline.id))
    assert len(await storage.find_sessions_by_shop(SHOP)) == 41
    loaded = await storage.load_session(online.id)
    assert loaded.access_token == online.access_token
    assert loaded.equals(online) or variant < "V2"
    newer = replace(offline, access_token="newer", expires=None)
    assert await storage.compare_and_store(newer, newer) is False
    assert await storage.compare_and_store(newer, offline) is True
    assert newer.equals(await storage.load_session(offline.id))
    assert await storage.compare_and_delete(offline) is False
    assert await storage.compare_and_delete(newer) is True
    pages = [page async for page in storage.scan_sessions(batch=15)]
    assert [len(page.sessions) for page in pages] == [15, 15, 10]
    assert await storage.delete_sessions(one.id for one in [online, *many]) is True
    assert await storage.find_sessions_by_shop(SHOP) == []


async def with_leases(engine, layout, table):
    """Use the user's own declaration of the table, and a table of leases."""
    metadata = MetaData()
    leases = leases_table(metadata, f"{table}_leases")
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        mine = await connection.run_sync(lambda c: Table(table, MetaData(), autoload_with=c))
    async with SQLAlchemySessionStorage(
        engine, mine, layout=layout, leases=leases, on_error="raise"
    ) as storage:
        assert await storage.acquire_lease("a", "me", MINUTE) is True
        await storage.release_lease("a", "me")
        session = online_session(SHOP)
        assert await storage.store_session(session)
        assert (await storage.load_session(session.id)).access_token == session.access_token
    async with engine.begin() as connection:
        await connection.run_sync(metadata.drop_all)


@pytest.mark.asyncio
async def test_a_table_of_another_program_is_never_created(empty):
    async with engine_on(empty) as engine:
        with pytest.raises(ValueError, match="Prisma"):
            SQLAlchemySessionStorage(engine, layout="prisma", create=True)
        with pytest.raises(ValueError, match="layout"):
            SQLAlchemySessionStorage(engine, layout="rails")
        storage = SQLAlchemySessionStorage(engine, layout="drizzle")
        with pytest.raises(MigrationError, match="does not exist"):
            await storage.ready()
        await storage.disconnect()
        assert await names(engine) == []


@pytest.mark.asyncio
async def test_alembic_knows_the_tables_and_leaves_them_alone(empty, tmp_path):
    """As the official packages' own migrations have made them."""
    for folder in GOLDEN[kind_of(empty)][-2:]:
        layout = folder.partition("_")[0]
        await fill(empty, folder)
        metadata = MetaData()
        sessions = sessions_table(metadata, layout=layout)
        leases = leases_table(metadata, layout=layout)
        assert leases.name == f"{sessions.name}_leases"
        project = Alembic(tmp_path / folder, metadata)
        async with (
            engine_on(empty) as engine,
            SQLAlchemySessionStorage(engine, sessions, layout=layout, on_error="raise") as storage,
        ):
            await run_script(empty, (await storage.migration_sql()).replace("CREATE INDEX", "-- "))
            async with engine.begin() as connection:
                await connection.run_sync(project.check)
            assert await storage.acquire_lease("a", "me", MINUTE) is True


@pytest.mark.parametrize("layout", ["prisma", "drizzle"])
@pytest.mark.asyncio
async def test_sql_for_what_a_table_of_another_program_lacks(empty, layout):
    await run_script(empty, create_table(kind_of(empty), layout, "V2"))
    async with engine_on(empty) as engine:
        storage = SQLAlchemySessionStorage(engine, layout=layout, on_error="raise")
        sql = await storage.migration_sql()
        async with storage:  # says the same when it is open
            assert await storage.migration_sql() == sql
        assert "drops what its schema does not declare" in sql
        await run_script(empty, sql)
        assert await storage.migration_sql() == ""
        async with storage:
            session = offline_session(SHOP, refresh_token="r")
            assert await storage.store_session(session)
            assert session.equals(await storage.load_session(session.id))
            assert await storage.acquire_lease("a", "me", MINUTE) is True


@pytest.mark.asyncio
async def test_what_stands_in_a_column_is_decided_by_the_table_not_by_its_declaration(empty):
    await run_script(empty, create_table(kind_of(empty), "prisma", "V3t"))
    declared = sessions_table(MetaData(), layout="prisma")
    assert declared.c.accountOwner.nullable  # and is NOT NULL there
    async with (
        engine_on(empty) as engine,
        SQLAlchemySessionStorage(engine, declared, layout="prisma", on_error="raise") as storage,
    ):
        assert await storage.store_session(session := offline_session(SHOP))
        assert session.equals(await storage.load_session(session.id))
