"""Each answer of a server has its verdict, and what core does about it helps."""

import asyncio
from urllib.parse import urlsplit

import aiomysql
import pytest
from pymysql import err
from servers import mysql
from shopify_session_storage import SessionStorageUnavailableError, Verdict
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_mysql import MySQLSessionStorage

from .conftest import SHOP, asyncio_storage, mysql_with, query, run_sql

# What servers, proxies and clusters answer, with a text that quotes a token where theirs can.
ANSWERS = {
    1213: (Verdict.CONFLICT, "Deadlock found when trying to get lock; try restarting transaction"),
    1205: (Verdict.CONFLICT, "Lock wait timeout exceeded; try restarting transaction"),
    1020: (Verdict.CONFLICT, "Record has changed since last read in table 'shopify_sessions'"),
    3572: (Verdict.CONFLICT, "Statement aborted because lock(s) could not be acquired"),
    3101: (Verdict.CONFLICT, "Plugin instructed the server to rollback the current transaction."),
    9007: (Verdict.CONFLICT, "Write conflict, txnStartTS=1, conflictStartTS=2"),
    1040: (Verdict.CONFLICT, "Too many connections"),
    1290: (Verdict.LOST, "The MySQL server is running with the --read-only option"),
    1836: (Verdict.LOST, "Running in read-only mode"),
    1792: (Verdict.LOST, "Cannot execute statement in a READ ONLY transaction."),
    1047: (Verdict.LOST, "WSREP has not yet prepared node for application use"),
    1053: (Verdict.LOST, "Server shutdown in progress"),
    1317: (Verdict.LOST, "Query execution was interrupted"),
    1927: (Verdict.LOST, "Connection was killed"),
    3169: (Verdict.LOST, "The session was killed because of changing of the user"),
    4031: (Verdict.LOST, "The client was disconnected by the server because of inactivity."),
    2013: (Verdict.LOST, "Lost connection to MySQL server during query"),
    1406: (Verdict.DATA, "Data too long for column 'scope' at row 1"),
    1264: (Verdict.DATA, "Out of range value for column 'expires' at row 1"),
    1366: (Verdict.DATA, "Incorrect string value: 'shpat_secret' for column 'state'"),
    1062: (Verdict.DATA, "Duplicate entry 'shpat_secret' for key 'mine'"),
    1644: (Verdict.DATA, "no shpat_secret here"),
    3819: (Verdict.DATA, "Check constraint 'mine' is violated."),
    1142: (Verdict.DENIED, "INSERT command denied to user 'app'@'host' for table 'sessions'"),
    1114: (Verdict.UNAVAILABLE, "The table 'shopify_sessions' is full"),
    1146: (Verdict.UNAVAILABLE, "Table 'd.shopify_sessions' doesn't exist"),
    3024: (Verdict.UNAVAILABLE, "Query execution was interrupted, maximum statement time exceeded"),
    1064: (Verdict.UNAVAILABLE, "You have an error in your SQL syntax near 'shpat_secret'"),
    1105: (Verdict.UNAVAILABLE, "vttablet: rpc error: shpat_secret"),
    9999: (Verdict.UNAVAILABLE, "unheard of: shpat_secret"),
}


# Proxies add the statement, in their ways.
APPENDICES = (
    "",
    ' (CallerID: app): Sql: "insert", BindVars: {shpat_secret}',
    " during query: insert into t values ('shpat_secret')",
)


@pytest.mark.parametrize("code", ANSWERS)
@pytest.mark.parametrize("appendix", APPENDICES)
def test_each_answer_has_its_verdict_and_shows_no_value(code, appendix):
    verdict, text = ANSWERS[code]
    kind = err.error_map.get(code, aiomysql.OperationalError)
    error = kind(code, text + appendix)
    storage = MySQLSessionStorage("mysql://user:password@host/database")
    assert storage._verdict(error) is verdict
    described = storage._describe(error)
    assert str(code) in described
    if "secret" not in text and code not in (1064, 1105, 9999):
        assert text.rstrip(".") in described  # what holds no value is shown
    storage._scrub(error)
    for shown in (described, str(error), repr(error), storage._describe(error)):
        assert "secret" not in shown
    assert storage._verdict(error) is verdict


@pytest.mark.parametrize("appendix", APPENDICES)
def test_planetscale_where_tables_are_altered_by_deploy_requests_alone(appendix):
    error = aiomysql.OperationalError(1105, "direct DDL is disabled" + appendix)
    storage = MySQLSessionStorage("mysql://user:password@host/database")
    for _ in range(2):
        assert storage._verdict(error) is Verdict.DENIED
        assert "direct DDL is disabled" in storage._describe(error)
        assert "secret" not in storage._describe(error)
        storage._scrub(error)
    assert "secret" not in repr(error)


def test_numbers_are_told_from_protocol_errors():
    storage = MySQLSessionStorage("mysql://user:password@host/database")
    for error in (
        aiomysql.InternalError("Packet sequence number wrong - got 1 expected 2"),
        aiomysql.InterfaceError(0, "Not connected"),
        ConnectionResetError(),
    ):
        assert storage._verdict(error) is Verdict.LOST


@pytest.mark.asyncio
@pytest.mark.parametrize("users", [False, True])
async def test_connections_that_became_read_only_are_not_used_again(database_url, users):
    """As after a failover: what was the primary server refuses every write from now on."""
    async with asyncio_storage(database_url, users) as storage:
        session = offline_session(SHOP)
        await storage.store_session(session)
        await storage._fetch("SET SESSION TRANSACTION READ ONLY", ())
        assert await storage.store_session(session) is True
        assert await storage.store_session(session) is True


@pytest.mark.asyncio
async def test_read_only_server_is_an_error_until_it_takes_writes_again(database_url):
    with mysql_with() as url:
        await run_sql(
            url, "CREATE USER app IDENTIFIED BY 'app'; GRANT ALL ON `sessions&#$`.* TO app"
        )
        app = urlsplit(url)._replace(netloc=f"app:app@127.0.0.1:{urlsplit(url).port}").geturl()
        async with MySQLSessionStorage(app, on_error="raise") as storage:
            session = offline_session(SHOP)
            await storage.store_session(session)
            await run_sql(url, "SET GLOBAL read_only = 1")
            with pytest.raises(SessionStorageUnavailableError, match=r"1290.*read-only"):
                await storage.store_session(session)
            assert session.equals(await storage.load_session(session.id))
            await run_sql(url, "SET GLOBAL read_only = 0")
            assert await storage.store_session(session) is True


@pytest.mark.asyncio
@pytest.mark.parametrize("what", ["QUERY", "CONNECTION"])
async def test_killed_statement_is_sent_again(database_url, what):
    async with (
        MySQLSessionStorage(database_url, on_error="raise") as storage,
        aiomysql.connect(**mysql.options_of(database_url)) as other,
    ):
        session = offline_session(SHOP)
        await storage.store_session(session)
        await other.query("UPDATE shopify_sessions SET state = 'locked'")
        storing = asyncio.ensure_future(storage.store_session(session))
        running = (
            "SELECT id FROM information_schema.processlist "
            "WHERE info LIKE 'INSERT INTO%' AND db = DATABASE()"
        )
        while not (found := await query(database_url, running)):
            await asyncio.sleep(0.01)
        await run_sql(database_url, f"KILL {what} {found[0][0]}")
        await other.rollback()
        assert await storing is True
        assert session.equals(await storage.load_session(session.id))
