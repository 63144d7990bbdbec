"""What real servers do: each failure has its meaning, and fails its own callers alone."""

import asyncio
import logging
from urllib.parse import urlsplit

import asyncpg
import pytest
from shopify_session_storage import CorruptSessionError, SessionStorageError, Verdict
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_postgresql import PostgreSQLSessionStorage
from shopify_session_storage_postgresql.errors import FAILURES

from .conftest import ALTER, limited_user, opened, query, run_sql
from .meddling import Meddler

SHOP = "alpha.myshopify.com"


def tell(code: str, message: str = "as the server says", **fields: str) -> asyncpg.PostgresError:
    """Return what asyncpg raises when the server says so."""
    return asyncpg.PostgresError.new({"C": code, "M": message, **fields})


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
        ("53300", "conflict"),
        ("57014", "unavailable"),
        ("XX000", "unavailable"),
        ("55ZZZ", "unavailable"),
        ("PT402", "data"),
        ("ZZ999", "data"),
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


@pytest.mark.asyncio
async def test_bad_session_in_a_group_fails_only_its_own_caller(database_url, caplog):
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        await storage._fetch(
            "ALTER TABLE shopify_sessions ADD CHECK (\"accessToken\" <> 'shpat_refused')", ()
        )
        many = [online_session(SHOP, user) for user in range(20)]
        many[7].access_token = "shpat_refused"
        many[7].refresh_token = "shprt_refused"
        results = await asyncio.gather(*map(storage.store_session, many), return_exceptions=True)
        assert [result for result in results if result is not True] == [results[7]]
        error = results[7]
        assert type(error) is SessionStorageError
        assert isinstance(error.__cause__, asyncpg.CheckViolationError)
        shown = f"{error} {error.__cause__} {error.__cause__!r} {error.__cause__.as_dict()}"
        assert "shpat" not in shown + repr(vars(error.__cause__))
        assert len(await storage.find_sessions_by_shop(SHOP)) == 19
    with caplog.at_level(logging.DEBUG, "shopify_session_storage"):
        async with PostgreSQLSessionStorage(database_url) as storage:
            assert await storage.store_session(many[7]) is False
    assert "CheckViolationError (23514)" in caplog.text
    assert "refused" not in caplog.text


@pytest.mark.asyncio
async def test_too_many_connections_are_waited_out(database_url):
    """As on MySQL: while an app is deployed, there are those of its old processes, too."""
    url = await limited_user(database_url, "ALL ON SCHEMA public")
    name = urlsplit(url).username
    async with PostgreSQLSessionStorage(url, on_error="raise") as storage:
        await run_sql(
            database_url,
            f"ALTER ROLE {name} CONNECTION LIMIT 1; SELECT pg_terminate_backend(pid) "
            f"FROM pg_stat_activity WHERE usename = '{name}'",
        )
        await asyncio.sleep(0.2)
        other = await asyncpg.connect(url)
        calls = asyncio.gather(
            storage.load_session("a"), storage.store_session(offline_session(SHOP))
        )
        await asyncio.sleep(0.5)
        assert not calls.done()
        await other.close()
        assert await calls == [None, True]


@pytest.mark.asyncio
async def test_code_that_a_trigger_made_up_fails_only_its_own_caller(database_url):
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        await run_sql(
            database_url,
            """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW."accessToken" = 'shpat_refused' THEN
            RAISE EXCEPTION 'no %', NEW."accessToken" USING ERRCODE = 'PT402';
            END IF; RETURN NEW; END $$;
            CREATE TRIGGER refuse BEFORE INSERT ON shopify_sessions
            FOR EACH ROW EXECUTE FUNCTION refuse()""",
        )
        many = [online_session(SHOP, user) for user in range(20)]
        many[7].access_token = "shpat_refused"
        results = await asyncio.gather(*map(storage.store_session, many), return_exceptions=True)
        assert [result for result in results if result is not True] == [results[7]]
        assert type(results[7]) is SessionStorageError
        assert "PT402" in str(results[7])
        assert "shpat" not in f"{results[7]} {results[7].__cause__!r} {vars(results[7].__cause__)}"


@pytest.mark.asyncio
async def test_unreadable_row_fails_only_its_own_callers(database_url):
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        good, bad = offline_session(SHOP), offline_session("bad.myshopify.com")
        await asyncio.gather(storage.store_session(good), storage.store_session(bad))
        await storage._fetch("UPDATE shopify_sessions SET expires = 1e17 WHERE id = $1", (bad.id,))
        results = await asyncio.gather(
            *(storage.load_session(one.id) for one in [good, bad, good, bad, good]),
            return_exceptions=True,
        )
        assert all(good.equals(result) for result in results[::2])
        assert all(isinstance(result, CorruptSessionError) for result in results[1::2])
