"""What statements are, and what errors mean, where no server of the tests shows it."""

import sqlite3

import pytest
from shopify_session_storage import Verdict
from shopify_session_storage_sqlalchemy import (
    SQLAlchemySessionStorage,
    leases_table,
    sessions_table,
)
from shopify_session_storage_sqlalchemy.columns import columns_of
from shopify_session_storage_sqlalchemy.errors import describe, scrub, verdict_of
from shopify_session_storage_sqlalchemy.statements import Statements
from sqlalchemy import MetaData, exc
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.asyncio import create_async_engine

TOKEN = "shpat_0123456789abcdef"


def test_the_upsert_of_mysql_8_has_many_rows_and_an_alias():
    dialect = mysql.dialect()
    dialect._requires_alias_for_on_duplicate_key = True  # as it is for a server of 8.0.20
    metadata = MetaData()
    table, leases = sessions_table(metadata), leases_table(metadata)
    statements = Statements(columns_of(table), leases, dialect)
    assert statements.has_alias
    rows = [{column.key: None for column in table.columns} | {"id": id} for id in ("a", "b")]
    sql = " ".join(str(statements.upsert.values(rows).compile(dialect=dialect)).split())
    assert sql.count("(%s, ") == 2
    assert "AS new ON DUPLICATE KEY UPDATE id = CASE WHEN" in sql
    assert "`accessToken` = new.`accessToken`" in sql


def test_an_engine_for_another_database_is_refused_by_name(monkeypatch):
    engine = create_async_engine("sqlite+aiosqlite://")
    monkeypatch.setattr(engine.dialect, "name", "mssql")
    with pytest.raises(ValueError, match="mssql"):
        SQLAlchemySessionStorage(engine)


class ServerError(Exception):
    """Like psycopg's."""

    def __init__(self, sqlstate):
        super().__init__(f"the server says {TOKEN}")
        self.sqlstate = sqlstate
        self.detail = f"Failing row contains ({TOKEN})"


class MySQLError(Exception):
    """Like PyMySQL's."""


MySQLError.__module__ = "pymysql.err"


def sqlite_error(code):
    error = sqlite3.OperationalError("...")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("orig", "verdict"),
    [
        (ServerError("40P01"), Verdict.CONFLICT),
        (ServerError("40001"), Verdict.CONFLICT),
        (ServerError("55P03"), Verdict.CONFLICT),
        (ServerError("53300"), Verdict.CONFLICT),
        (ServerError("25006"), Verdict.LOST),
        (ServerError("57P01"), Verdict.LOST),
        (ServerError("22001"), Verdict.DATA),
        (ServerError("23514"), Verdict.DATA),
        (ServerError("42501"), Verdict.DENIED),
        (ServerError("57014"), Verdict.UNAVAILABLE),
        (ServerError("55ZZZ"), Verdict.UNAVAILABLE),
        (ServerError("PT402"), Verdict.DATA),  # a trigger's own
        (ServerError("42P01"), Verdict.UNAVAILABLE),
        (MySQLError(1213, "Deadlock found"), Verdict.CONFLICT),
        (MySQLError(1205, "Lock wait timeout"), Verdict.CONFLICT),
        (MySQLError(1290, "read-only"), Verdict.LOST),
        (MySQLError(2013, "Lost connection"), Verdict.LOST),
        (MySQLError(1406, "Data too long"), Verdict.DATA),
        (MySQLError(1142, "denied"), Verdict.DENIED),
        (MySQLError(1146, "no table"), Verdict.UNAVAILABLE),
        (sqlite_error(sqlite3.SQLITE_BUSY), Verdict.CONFLICT),
        (sqlite_error(sqlite3.SQLITE_CONSTRAINT), Verdict.DATA),
        (sqlite_error(sqlite3.SQLITE_READONLY), Verdict.DENIED),
        (sqlite_error(sqlite3.SQLITE_FULL), Verdict.UNAVAILABLE),
    ],
    ids=repr,
)
def test_what_a_failure_of_a_server_means(orig, verdict):
    assert verdict_of(exc.OperationalError("SELECT 1", {}, orig)) is verdict


@pytest.mark.parametrize(
    ("code", "said", "verdict", "shown"),
    [
        (1213, "Deadlock found when trying to get lock", Verdict.CONFLICT, True),
        (1146, "Table 'd.sessions' doesn't exist", Verdict.UNAVAILABLE, True),
        (1105, "direct DDL is disabled", Verdict.DENIED, True),
        (1105, f"vttablet: rpc error: {TOKEN}", Verdict.UNAVAILABLE, False),
        (1064, f"You have an error in your SQL syntax near '{TOKEN}'", Verdict.UNAVAILABLE, False),
        (9999, f"unheard of: {TOKEN}", Verdict.UNAVAILABLE, False),
        (1062, f"Duplicate entry '{TOKEN}' for key 'mine'", Verdict.DATA, False),
    ],
)
@pytest.mark.parametrize(
    "appendix",
    [
        "",
        f' (CallerID: app): Sql: "insert", BindVars: {{{TOKEN}}}',
        f" during query: insert into t values ('{TOKEN}')",
    ],
)
def test_what_servers_and_proxies_of_mysql_quote_is_not_shown(code, said, verdict, shown, appendix):
    orig = MySQLError(code, said + appendix)
    error = exc.OperationalError("INSERT", {}, orig)
    for _ in range(2):
        assert verdict_of(error) is verdict
        words = describe(error)
        assert str(code) in words
        assert (said in words) is shown
        assert TOKEN not in words
        scrub(error)
        assert TOKEN not in f"{error} {error!r} {orig!r}"


def test_what_a_failure_of_the_driver_or_the_pool_means():
    assert verdict_of(OSError()) is Verdict.LOST
    assert verdict_of(exc.OperationalError("", {}, ServerError(None))) is Verdict.LOST
    assert verdict_of(exc.DataError("", {}, ServerError(None))) is Verdict.DATA
    assert verdict_of(exc.TimeoutError("QueuePool limit")) is Verdict.UNAVAILABLE
    gone = exc.DBAPIError("", {}, ServerError("22001"), connection_invalidated=True)
    assert verdict_of(gone) is Verdict.LOST


def test_nothing_of_an_error_shows_a_value_any_more():
    orig = ServerError("23514")
    error = exc.IntegrityError("INSERT", {"accessToken": TOKEN}, orig)
    assert TOKEN in str(error)
    scrub(error)
    for one in (error, orig):
        assert TOKEN not in f"{one} {one!r} {vars(one)!r}"
    assert "23514" in describe(error)
