"""Connections of the user's engine: borrowed for a moment, never kept, never used twice."""

import asyncio
import gc
import time
import warnings
from datetime import timedelta

import asyncpg
import pytest
from servers.disturbing import bear_cancellations, bear_cuts, keep_the_order
from servers.places import behind_proxy
from shopify_session_storage import SessionStorageUnavailableError
from shopify_session_storage.sync import SyncSessionStorage
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_sqlalchemy import SQLAlchemySessionStorage, sessions_table
from sqlalchemy import MetaData, NullPool, create_engine, event, text
from sqlalchemy.ext.asyncio import create_async_engine

from .conftest import SHOP, drop, engine_on, table_name

# aiosqlite's thread of a connection whose event loop has ended says so on its way out.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")

NETWORKED = ("asyncpg", "psycopg", "aiomysql", "asyncmy")


def storage_on(engine, table=None, **options):
    return SQLAlchemySessionStorage(engine, table, create=True, on_error="raise", **options)


@pytest.mark.parametrize("url", NETWORKED, indirect=True)
@pytest.mark.asyncio
async def test_calls_travel_together_and_cuts_stay_unnoticed(url):
    async with (
        behind_proxy(url.render_as_string(hide_password=False)) as (through, proxy),
        engine_on(through) as engine,
        storage_on(engine) as storage,
    ):
        await bear_cuts(storage, proxy.cut, times=3)


@pytest.mark.asyncio
async def test_cancelled_callers_get_nobody_elses_answer(engine):
    async with storage_on(engine) as storage:
        await bear_cancellations(storage, times=40)
        await keep_the_order(storage, times=20)
        assert engine.pool.checkedout() == 0 or "sqlite" in engine.dialect.name


@pytest.mark.parametrize("url", NETWORKED, indirect=True)
@pytest.mark.asyncio
async def test_on_a_silent_connection_a_call_is_back_in_time_and_the_pool_recovers(url):
    session = offline_session(SHOP)
    async with behind_proxy(url.render_as_string(hide_password=False)) as (through, proxy):
        async with (
            engine_on(through) as engine,
            storage_on(engine, timeout=timedelta(seconds=1)) as storage,
        ):
            await storage.store_session(session)
            proxy.freeze()
            for call in (
                lambda: storage.load_session(session.id),
                lambda: storage.store_session(session),
                lambda: storage.compare_and_store(session, session),
            ):
                began = time.monotonic()
                with pytest.raises(SessionStorageUnavailableError, match="no answer within 1 s"):
                    await call()
                assert time.monotonic() - began < 3
            proxy.thaw()
            async with asyncio.timeout(30):
                assert session.equals(await storage.load_session(session.id))
        await asyncio.sleep(0)


@pytest.mark.parametrize("url", NETWORKED, indirect=True)
@pytest.mark.asyncio
async def test_first_use_on_connections_that_were_lost_or_fell_silent_while_idle(url, monkeypatch):
    monkeypatch.setattr("shopify_session_storage.policy._LOOKING_SECONDS", 1)
    async with behind_proxy(url.render_as_string(hide_password=False)) as (through, proxy):
        async with engine_on(through) as engine:
            for happens in (proxy.cut, proxy.freeze):
                storage = storage_on(engine, timeout=timedelta(seconds=0.5))
                async with engine.connect() as one, engine.connect() as two:
                    for connection in (one, two):
                        await connection.execute(text("SELECT 1"))
                happens()
                if happens == proxy.freeze:
                    async with asyncio.timeout(10):
                        with pytest.raises(SessionStorageUnavailableError, match="for 1 s"):
                            await storage.load_session("a")
                    proxy.thaw()
                async with asyncio.timeout(30):
                    assert await storage.load_session("a") is None
                await storage.disconnect()
        await asyncio.sleep(0)


@pytest.mark.parametrize("url", ["asyncpg", "psycopg", "asyncmy"], indirect=True)
@pytest.mark.asyncio
async def test_a_call_given_up_behind_a_lock_never_takes_effect(url):
    table = sessions_table(MetaData(), table_name())
    older, newer = offline_session(SHOP), offline_session(SHOP)
    async with (
        engine_on(url) as engine,
        storage_on(engine, table, timeout=timedelta(seconds=1)) as storage,
    ):
        await storage.store_session(offline_session(SHOP))
        async with engine.connect() as connection:
            await connection.execute(
                table.update().where(table.c.id == older.id).values(state="locked")
            )
            with pytest.raises(SessionStorageUnavailableError):
                await storage.store_session(older)
            other = offline_session("beta.myshopify.com")
            assert await storage.store_session(other)  # holds up no other shop
            await connection.rollback()
        assert await storage.store_session(newer)
        await asyncio.sleep(1.5)
        assert newer.equals(await storage.load_session(newer.id))
        await drop(engine, table)


@pytest.mark.asyncio
async def test_the_engine_stays_open_and_has_all_its_connections_back(engine):
    async with storage_on(engine) as storage:
        await asyncio.gather(*(storage.store_session(offline_session(SHOP)) for _ in range(20)))
        before = engine.pool
    assert engine.pool is before
    assert engine.pool.checkedout() == 0
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT 1"))).scalar() == 1


# Not on SQLite, where a transaction that writes has the whole database.
@pytest.mark.parametrize("url", NETWORKED, indirect=True)
@pytest.mark.asyncio
async def test_what_is_stored_stays_if_the_caller_rolls_back(url):
    session = offline_session(SHOP)
    async with engine_on(url) as engine, storage_on(engine) as storage:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
            await storage.store_session(session)
            await connection.rollback()
        assert session.equals(await storage.load_session(session.id))


@pytest.mark.parametrize("url", ["asyncpg", "aiomysql", "aiosqlite"], indirect=True)
@pytest.mark.asyncio
async def test_a_pool_of_one_connection_is_enough(url):
    async with engine_on(url, pool_size=1, max_overflow=0) as engine, storage_on(engine) as storage:
        sessions = [offline_session(f"{n}.myshopify.com") for n in range(50)]
        assert all(await asyncio.gather(*map(storage.store_session, sessions)))
        loads = await asyncio.gather(*(storage.load_session(s.id) for s in sessions))
        assert all(map(type(sessions[0]).equals, sessions, loads))


@pytest.mark.parametrize("level", ["AUTOCOMMIT", "SERIALIZABLE"])
@pytest.mark.asyncio
async def test_the_engines_own_isolation_is_kept_for_others(url, level):
    table = sessions_table(MetaData(), table_name())
    session = offline_session(SHOP)
    async with engine_on(url, isolation_level=level, pool_size=1, max_overflow=0) as engine:
        before = await isolation(engine)
        async with storage_on(engine, table) as storage:
            assert await storage.compare_and_store(session, None)
            stores = [storage.store_session(offline_session(SHOP)) for _ in range(10)]
            assert all(await asyncio.gather(*stores))
            assert await isolation(engine) == before
        await drop(engine, table)


async def isolation(engine):
    """Return the level of isolation of an engine's connections, and whether they commit."""
    async with engine.connect() as connection:
        raw = await connection.get_raw_connection()
        commits = engine.dialect.detect_autocommit_setting(raw.dbapi_connection)
        return commits, await connection.get_isolation_level()


@pytest.mark.parametrize("url", ["asyncpg", "psycopg"], indirect=True)
def test_a_program_that_runs_one_event_loop_after_another(url):
    with warnings.catch_warnings():
        # Of the connections that the loops which ended have left.
        warnings.simplefilter("ignore")
        run_three_loops(url)
        for _ in range(3):  # a connection is closed by one, and its transport by the next
            gc.collect()


def run_three_loops(url):
    engine = create_async_engine(url)
    storage = storage_on(engine)
    session = offline_session(SHOP)

    async def use():
        async with storage:
            await storage.store_session(session)
            assert session.equals(await storage.load_session(session.id))

    for _ in range(3):
        asyncio.run(use())
    asyncio.run(engine.dispose())


@pytest.mark.parametrize("url", ["asyncpg", "aiomysql"], indirect=True)
@pytest.mark.asyncio
async def test_an_engine_in_use_on_another_event_loop_is_told(url):
    async with engine_on(url) as engine:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
        facade = SyncSessionStorage(storage_on(engine))
        with pytest.raises(SessionStorageUnavailableError, match="NullPool"):
            await asyncio.to_thread(facade.load_session, "a")
        await asyncio.to_thread(facade.disconnect)


@pytest.mark.asyncio
async def test_without_a_pool_the_facade_works_beside_an_event_loop(url):
    session = offline_session(SHOP)
    async with engine_on(url, poolclass=NullPool) as engine:
        storage = storage_on(engine)
        await storage.store_session(session)
        await storage.disconnect()
        facade = SyncSessionStorage(storage)
        assert session.equals(await asyncio.to_thread(facade.load_session, session.id))
        await asyncio.to_thread(facade.disconnect)


@pytest.mark.asyncio
async def test_what_a_server_says_to_who_connects_is_a_failure_like_others(caplog):
    """SQLAlchemy 2.0 lets it through as asyncpg's own error."""
    async with engine_on("postgresql+asyncpg://user@host/database") as engine:

        @event.listens_for(engine.sync_engine, "do_connect")
        def connect(*_):
            raise asyncpg.CannotConnectNowError("the database system is starting up")

        logging_storage = SQLAlchemySessionStorage(engine)
        assert await logging_storage.load_session("a") is None
        assert "57P03" in caplog.text
        with pytest.raises(SessionStorageUnavailableError, match="starting up"):
            await logging_storage.ready()
        assert await logging_storage.is_ready() is False
        await logging_storage.disconnect()


def test_what_is_no_async_engine_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path}/file.db"
    for wrong in (create_engine(url), url, None):
        with pytest.raises(TypeError, match="AsyncEngine"):
            SQLAlchemySessionStorage(wrong)


def test_a_constructor_does_no_io_and_shows_no_password():
    engine = create_async_engine("postgresql+asyncpg://me:secret@nowhere.invalid/database")
    connected = []
    event.listen(engine.sync_engine, "connect", connected.append)
    assert "secret" not in repr(SQLAlchemySessionStorage(engine))
    assert not connected


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"table": "shopify_sessions"}, TypeError),
        ({"table": dict}, TypeError),
        ({"leases": "leases"}, TypeError),
        ({"create": "yes"}, TypeError),
        ({"on_error": "ignore"}, ValueError),
        ({"timeout": 10}, TypeError),
        ({"leases": sessions_table(MetaData())}, ValueError),
    ],
)
@pytest.mark.asyncio
async def test_wrong_arguments_are_refused(options, error, tmp_path):
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/file.db")
    with pytest.raises(error):
        SQLAlchemySessionStorage(engine, **options)
