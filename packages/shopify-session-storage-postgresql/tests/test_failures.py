"""What real servers do: each failure has its meaning, and every wait an end."""

import asyncio
import logging
import time
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest
from servers.postgresql import with_database
from shopify_session_storage import (
    SessionStorageError,
    SessionStorageUnavailableError,
    Verdict,
)
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_postgresql import PostgreSQLSessionStorage
from shopify_session_storage_postgresql.errors import FAILURES

from .meddling import Meddler
from .test_migration import query, run_sql

SHOP = "alpha.myshopify.com"
ALTER = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I {}', current_database()); END $$"


def tell(code: str, message: str = "as the server says", **fields: str) -> asyncpg.PostgresError:
    """Return what asyncpg raises when the server says so."""
    return asyncpg.PostgresError.new({"C": code, "M": message, **fields})


@asynccontextmanager
async def opened(url: str, pool: str, **options: object):
    """Give a storage on a pool of its own, or on one of the user's."""
    if pool == "own":
        storage = PostgreSQLSessionStorage(url, on_error="raise", **options)
        async with storage:
            yield storage
    else:
        async with asyncpg.create_pool(url, min_size=3, max_size=3) as users:
            storage = PostgreSQLSessionStorage(users, on_error="raise", **options)
            await storage.ready()
            yield storage
            for _ in range(3):  # is of use as before
                assert await users.fetchval("SELECT 1") == 1


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("08006", "lost"),
        ("25006", "lost"),
        ("25P02", "lost"),
        ("25P03", "lost"),
        ("26000", "lost"),
        ("57P01", "lost"),
        ("57P02", "lost"),
        ("57P03", "lost"),
        ("57P05", "lost"),
        ("40001", "conflict"),
        ("40P01", "conflict"),
        ("55P03", "conflict"),
        ("22001", "data"),
        ("22003", "data"),
        ("22021", "data"),
        ("23502", "data"),
        ("23514", "data"),
        ("P0001", "data"),
        ("42501", "denied"),
        ("28P01", "denied"),
        ("0A000", "unavailable"),
        ("42P01", "unavailable"),
        ("42P10", "unavailable"),
        ("53100", "unavailable"),
        ("53300", "unavailable"),
        ("57014", "unavailable"),
        ("XX000", "unavailable"),
        ("ZZ999", "unavailable"),
    ],
)
def test_every_code_has_its_verdict(code, verdict):
    storage = PostgreSQLSessionStorage("postgresql://host/database")
    assert storage._verdict(tell(code)) is Verdict(verdict)


@pytest.mark.parametrize("code", [*FAILURES, "ZZ999"])
def test_words_for_a_failure_have_the_code_and_never_a_value(code):
    storage = PostgreSQLSessionStorage("postgresql://host/database")
    code = code.ljust(5, "0")
    error = tell(
        code,
        "shpat_secret" if storage._verdict(tell(code)) is Verdict.DATA else "what is wrong",
        D="Failing row contains (shpat_secret)",
        W="unnamed portal parameter $7 = 'shpat_secret'",
    )
    storage._scrub(error)
    words = storage._describe(error)
    assert code in words
    assert len(words) > len(f"{type(error).__name__} ({code})")
    for text in (words, str(error), repr(error), str(error.as_dict()), repr(vars(error))):
        assert "shpat" not in text


@pytest.mark.asyncio
@pytest.mark.parametrize("pool", ["own", "user's"])
@pytest.mark.parametrize("level", ["serializable", "repeatable read"])
async def test_stores_at_any_isolation_level_do_not_fail(database_url, level, pool):
    await run_sql(database_url, ALTER.format(f"SET default_transaction_isolation = ''{level}''"))
    async with (
        opened(database_url, pool) as one,
        opened(database_url, pool) as two,
        opened(database_url, pool) as three,
    ):
        for _ in range(15):
            sessions = [offline_session(SHOP) for _ in range(3)]
            stores = zip((one, two, three), sessions, strict=True)
            assert all(await asyncio.gather(*(s.store_session(session) for s, session in stores)))
            assert await one.load_session(sessions[0].id) in sessions
        await one.delete_session(sessions[0].id)
        won = await asyncio.gather(
            *(storage.compare_and_store(sessions[0], None) for storage in (one, two, three))
        )
        assert sorted(won) in ([False, False, True], [False, True, True], [True, True, True])


@pytest.mark.asyncio
@pytest.mark.parametrize("pool", ["own", "user's"])
async def test_connections_of_a_read_only_time_are_not_kept(database_url, pool):
    writable = "SET TRANSACTION READ WRITE; " + ALTER.format("RESET default_transaction_read_only")
    sessions = [online_session(SHOP, user) for user in range(20)]
    async with PostgreSQLSessionStorage(database_url):
        pass  # creates the tables
    await run_sql(database_url, ALTER.format("SET default_transaction_read_only = on"))
    async with opened(database_url, pool) as storage:
        results = await asyncio.gather(
            *map(storage.store_session, sessions), return_exceptions=True
        )
        assert all("25006" in str(result) for result in results)
        assert await storage.load_session(sessions[0].id) is None
        await run_sql(database_url, writable)
        for _ in range(4):
            assert all(await asyncio.gather(*map(storage.store_session, sessions)))


@pytest.mark.asyncio
@pytest.mark.parametrize("forget", ["DISCARD ALL", "DEALLOCATE ALL"])
async def test_forgotten_statements_never_reach_the_caller(database_url, forget):
    async with asyncpg.create_pool(database_url, min_size=3, max_size=3) as pool:
        storage = PostgreSQLSessionStorage(pool, on_error="raise")
        session = offline_session(SHOP)
        for _ in range(3):
            await storage.store_session(session)
            loads = (storage.load_session(session.id) for _ in range(9))
            assert all(session.equals(loaded) for loaded in await asyncio.gather(*loads))
            async with pool.acquire() as one, pool.acquire() as two, pool.acquire() as three:
                for connection in (one, two, three):
                    await connection.execute(forget)


@pytest.mark.asyncio
@pytest.mark.parametrize("pool", ["own", "user's"])
async def test_write_in_a_transaction_that_somebody_left_open_is_not_trusted(database_url, pool):
    """What is acknowledged is there when that connection is gone."""
    for hides_number in (False, True):
        async with (
            Meddler(database_url, hides_number=hides_number) as meddler,
            opened(meddler.url, pool) as storage,
        ):
            assert storage._behind_pooler is hides_number
            for left in ("BEGIN; SELECT 1", "BEGIN; SELECT 1/0"):
                await storage.store_session(offline_session(SHOP))
                await meddler.say(left)
                newer = offline_session(SHOP)
                assert await storage.store_session(newer) is True
                found = await query(database_url, 'SELECT "accessToken" FROM shopify_sessions')
                assert found == [(newer.access_token,)]
                assert newer.equals(await storage.load_session(newer.id))


# --- waiting has an end ---------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("pool", ["own", "user's"])
async def test_frozen_connection_heeds_the_callers_time_limit_and_ours(database_url, pool):
    second = timedelta(seconds=1)
    async with (
        Meddler(database_url) as meddler,
        opened(meddler.url, pool, timeout=second) as storage,
    ):
        session = offline_session(SHOP)

        async def ends(call: object, error: type[BaseException], limit: float) -> None:
            await storage.store_session(session)
            meddler.freeze()
            began = time.monotonic()
            with pytest.raises(error):
                async with asyncio.timeout(limit):
                    await call()
            assert time.monotonic() - began < 3

        for call in (
            lambda: storage.load_session(session.id),
            lambda: storage.find_sessions_by_shop(SHOP),
            lambda: storage.store_session(session),
            lambda: storage.delete_session("other"),
            lambda: storage.compare_and_store(session, session),
            lambda: storage.compare_and_delete(offline_session("other.myshopify.com")),
            lambda: storage.acquire_lease("name", "holder", second),
        ):
            await ends(call, SessionStorageUnavailableError, 30)
            assert await storage.store_session(session) is True
        await ends(lambda: storage.load_session(session.id), TimeoutError, 0.3)
        assert session.equals(await storage.load_session(session.id))
        if pool == "own":
            meddler.freeze()
            began = time.monotonic()
            await storage.disconnect()
            assert time.monotonic() - began < 8


@pytest.mark.asyncio
async def test_locked_rows_hold_up_nobody_else(database_url):
    names = [f"{name}.myshopify.com" for name in "abcdef"]
    async with PostgreSQLSessionStorage(
        database_url, on_error="raise", timeout=timedelta(seconds=4)
    ) as storage:
        await asyncio.gather(*(storage.store_session(offline_session(name)) for name in names))
        somebody = await asyncpg.connect(database_url)
        await somebody.execute("BEGIN")
        await somebody.fetch(
            "SELECT 1 FROM shopify_sessions WHERE shop = ANY($1) FOR UPDATE", names[:2]
        )
        began = time.monotonic()
        locked = [
            asyncio.ensure_future(storage.store_session(offline_session(name)))
            for name in names[:2]
        ]
        await asyncio.sleep(0.1)
        for name in names[2:]:
            async with asyncio.timeout(3):
                assert await storage.store_session(offline_session(name)) is True
        results = await asyncio.gather(*locked, return_exceptions=True)
        assert time.monotonic() - began < 8
        assert all(isinstance(result, SessionStorageUnavailableError) for result in results)

        waiting = [
            asyncio.ensure_future(storage.store_session(offline_session(name)))
            for name in names[:2]
        ]
        await asyncio.sleep(0.2)
        await somebody.execute("ROLLBACK")
        await somebody.close()
        assert await asyncio.gather(*waiting) == [True, True]


@pytest.mark.asyncio
async def test_server_gives_up_before_we_do_and_lower_limits_of_others_stay(database_url):
    show = "SELECT current_setting('lock_timeout'), current_setting('statement_timeout')"
    for timeout, limits in ((10, ("1s", "9s")), (1, ("333ms", "900ms"))):
        async with PostgreSQLSessionStorage(
            database_url, timeout=timedelta(seconds=timeout)
        ) as storage:
            assert tuple((await storage._fetch(show, ()))[0]) == limits
    await run_sql(database_url, ALTER.format("SET statement_timeout = ''2s''"))
    async with PostgreSQLSessionStorage(database_url) as storage:
        assert tuple((await storage._fetch(show, ()))[0]) == ("1s", "2s")


@pytest.mark.asyncio
async def test_outage_is_said_by_our_logger_alone(database_url, caplog):
    async with (
        Meddler(database_url) as meddler,
        PostgreSQLSessionStorage(meddler.url, on_error="raise") as storage,
    ):
        sessions = [online_session(SHOP, user) for user in range(30)]
        await asyncio.gather(*map(storage.store_session, sessions))
        with caplog.at_level(logging.WARNING):
            meddler.go_away()
            failures = 0
            for _ in range(15):
                try:
                    await storage.load_session(sessions[0].id)
                except SessionStorageError:
                    failures += 1
                await asyncio.sleep(0.1)
            await meddler.come_back()
            assert sessions[0].equals(await storage.load_session(sessions[0].id))
            await asyncio.sleep(1.2)  # when asyncpg would have tried again by itself
        assert failures == 15
        assert [record.getMessage() for record in caplog.records if record.exc_info] == []
        assert "Traceback" not in caplog.text


# --- encodings ------------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_database_of_another_encoding_is_said_at_the_start(postgresql_url, encoding, caplog):
    name = f"test_{encoding.lower()}"
    await run_sql(postgresql_url, f"DROP DATABASE IF EXISTS {name}")
    await run_sql(
        postgresql_url,
        f"CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' "
        "TEMPLATE template0",
    )
    try:
        url = with_database(postgresql_url, name)
        with caplog.at_level(logging.WARNING, "shopify_session_storage"):
            async with PostgreSQLSessionStorage(url, on_error="raise") as storage:
                assert caplog.text.count(encoding) == 1
                good, bad = offline_session(SHOP), online_session(SHOP, 1)
                bad.online_access_info.associated_user.first_name = "Łukasz"
                results = await asyncio.gather(
                    *map(storage.store_session, [good, bad]), return_exceptions=True
                )
                assert good.equals(await storage.load_session(good.id))
                if encoding == "LATIN1":
                    assert results[0] is True
                    assert type(results[1]) is SessionStorageError
                    assert "22P05" in str(results[1])
                    assert "encoding" in str(results[1])
                else:
                    assert bad.equals(await storage.load_session(bad.id))
    finally:
        await run_sql(postgresql_url, f"DROP DATABASE {name} WITH (FORCE)")
