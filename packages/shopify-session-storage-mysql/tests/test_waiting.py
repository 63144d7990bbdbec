"""Every wait has an end: on silent connections, behind locks, on slow statements."""

import asyncio
from datetime import timedelta
from time import monotonic

import aiomysql
import pytest
from servers.mysql import options_of
from shopify_session_storage import SessionStorageError, SessionStorageUnavailableError
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_mysql import MySQLSessionStorage

from .conftest import SHOP, query, through


def calls(storage, session):
    return {
        "load": storage.load_session(session.id),
        "find": storage.find_sessions_by_shop(session.shop),
        "store": storage.store_session(session),
        "delete": storage.delete_session("other"),
        "compare and store": storage.compare_and_store(session, session),
        "compare and delete": storage.compare_and_delete(offline_session("none.example")),
        "lease": storage.acquire_lease("name", "holder", timedelta(minutes=1)),
        "ready": storage.ready(),
    }


@pytest.mark.asyncio
async def test_calls_on_silent_connections_end_in_time(database_url, proxy):
    async with MySQLSessionStorage(
        through(proxy, database_url), timeout=timedelta(seconds=1), on_error="raise"
    ) as storage:
        session = offline_session(SHOP)
        await storage.store_session(session)
        await storage.acquire_lease("name", "holder", timedelta(minutes=1))
        proxy.freeze()
        began = monotonic()
        results = await asyncio.gather(*calls(storage, session).values(), return_exceptions=True)
        assert monotonic() - began < 5
        for result in results:
            assert isinstance(result, SessionStorageUnavailableError), result
            assert "no answer within 1 s" in str(result)
        assert not storage._pool._idle
        proxy.thaw()
        assert session.equals(await storage.load_session(session.id))


@pytest.mark.asyncio
async def test_callers_own_time_limit_is_kept_on_a_silent_connection(database_url, proxy):
    async with MySQLSessionStorage(through(proxy, database_url), on_error="raise") as storage:
        session = offline_session(SHOP)
        await asyncio.gather(*(storage.store_session(session) for _ in range(5)))
        await asyncio.gather(*(storage.find_sessions_by_shop(f"{n}") for n in range(5)))
        for call in ("load", "store", "find"):
            proxy.freeze()
            began = monotonic()
            others = calls(storage, session)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(others.pop(call), 0.3)
            assert monotonic() - began < 2
            for other in others.values():
                other.close()
            proxy.thaw()
            # On another connection: the silent ones are not used again.
            assert session.equals(await asyncio.wait_for(storage.load_session(session.id), 5))


@pytest.mark.asyncio
async def test_pool_of_the_user_keeps_no_silent_connection(database_url, proxy):
    options = options_of(through(proxy, database_url))
    async with aiomysql.create_pool(**options, maxsize=2, autocommit=True) as pool:
        storage = MySQLSessionStorage(pool, timeout=timedelta(seconds=0.5), on_error="raise")
        session = offline_session(SHOP)
        await storage.store_session(session)
        proxy.freeze()
        for _ in range(3):
            with pytest.raises(SessionStorageUnavailableError, match=r"no answer|0\.5 s"):
                await storage.load_session(session.id)
        proxy.thaw()
        assert session.equals(await storage.load_session(session.id))


@pytest.mark.asyncio
async def test_first_use_on_a_silent_connection_of_the_users_ends(database_url, proxy, monkeypatch):
    monkeypatch.setattr("shopify_session_storage.policy._LOOKING_SECONDS", 1)
    options = options_of(through(proxy, database_url))
    async with aiomysql.create_pool(**options, minsize=1, autocommit=True) as pool:
        storage = MySQLSessionStorage(pool, on_error="raise", timeout=timedelta(seconds=0.5))
        proxy.freeze()
        began = monotonic()
        with pytest.raises(SessionStorageUnavailableError, match="not answered for 1 s"):
            await storage.load_session("a")
        assert monotonic() - began < 5
        proxy.thaw()
        assert await storage.load_session("a") is None


@pytest.mark.asyncio
async def test_locked_rows_hold_up_no_other_shop(database_url):
    async with (
        MySQLSessionStorage(
            database_url, timeout=timedelta(seconds=6), on_error="raise"
        ) as storage,
        aiomysql.connect(**options_of(database_url)) as other,
    ):
        many = [offline_session(f"{name}.example") for name in "abcdefgh"]
        await asyncio.gather(*map(storage.store_session, many))
        await other.query(
            "UPDATE shopify_sessions SET state = 'locked' WHERE shop IN ('a.example', 'b.example')"
        )
        blocked = [asyncio.ensure_future(storage.store_session(one)) for one in many[:2]]
        await asyncio.sleep(0.3)
        began = monotonic()
        assert all(await asyncio.gather(*map(storage.store_session, many[2:])))
        assert monotonic() - began < 4
        assert not any(task.done() for task in blocked)
        await other.rollback()
        assert await asyncio.gather(*blocked) == [True, True]


@pytest.mark.asyncio
async def test_write_that_was_given_up_is_not_applied_later(database_url):
    async with (
        MySQLSessionStorage(
            database_url, timeout=timedelta(seconds=1.5), on_error="raise"
        ) as storage,
        aiomysql.connect(**options_of(database_url)) as other,
    ):
        await storage.store_session(offline_session(SHOP, state="first"))
        await other.query("UPDATE shopify_sessions SET state = 'theirs'")
        with pytest.raises(SessionStorageError):
            await storage.store_session(offline_session(SHOP, state="given up"))
        await asyncio.sleep(1.2)
        await other.commit()
        await asyncio.sleep(0.3)
        assert (await storage.load_session(f"offline_{SHOP}")).state == "theirs"


@pytest.mark.asyncio
async def test_server_is_told_the_limits(database_url):
    names = ["innodb_lock_wait_timeout", "lock_wait_timeout"]
    ((version,),) = await query(database_url, "SELECT VERSION()")
    names.append("max_statement_time" if "MariaDB" in version else "max_execution_time")
    async with MySQLSessionStorage(database_url, timeout=timedelta(seconds=5)) as storage:
        ((rows, table, statement),) = await storage._fetch(
            f"SELECT {', '.join(f'@@{name}' for name in names)}", ()
        )
        assert (int(rows), int(table)) == (1, 1)
        assert float(statement) in (4.5, 4500)
