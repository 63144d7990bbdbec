"""No token in a log, whatever the engine's echo says, nor in an error."""

import io
import logging
import traceback

import pytest
from shopify_session_storage import SessionStorageError
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_sqlalchemy import SQLAlchemySessionStorage, sessions_table
from sqlalchemy import CheckConstraint, MetaData, text

from .conftest import SHOP, drop, engine_on, table_name

ACCESS, REFRESH = "shpat_0123456789abcdef", "shprt_0123456789abcdef"


def session(**changes):
    return offline_session(SHOP, **{"access_token": ACCESS, "refresh_token": REFRESH} | changes)


def check(what):
    assert ACCESS not in what
    assert REFRESH not in what


async def use(storage):
    mine = session()
    assert await storage.store_session(mine)
    assert mine.equals(await storage.load_session(mine.id))
    assert await storage.find_sessions_by_shop(SHOP)
    assert await storage.compare_and_store(mine, mine)
    assert [page async for page in storage.scan_sessions()]
    assert await storage.compare_and_delete(mine)


@pytest.mark.parametrize("echo", [True, "debug", False])
@pytest.mark.asyncio
async def test_the_echo_of_an_engine_shows_statements_and_no_token(url, echo, caplog, capsys):
    caplog.set_level(logging.DEBUG, "sqlalchemy")
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    logging.getLogger("sqlalchemy").addHandler(handler)
    table = sessions_table(MetaData(), table_name())
    async with engine_on(url, echo=echo) as engine:
        async with SQLAlchemySessionStorage(
            engine, table, create=True, on_error="raise"
        ) as storage:
            await use(storage)
        async with engine.connect() as connection:  # the user's own are shown as ever
            await connection.execute(text("SELECT :mine"), {"mine": "a value of the user's"})
        await drop(engine, table)
    logging.getLogger("sqlalchemy").removeHandler(handler)
    assert "INSERT INTO" in caplog.text
    assert "a value of the user's" in caplog.text
    assert engine.sync_engine.hide_parameters is False
    captured = capsys.readouterr()
    for shown in (caplog.text, output.getvalue(), captured.out, captured.err):
        check(shown)


@pytest.mark.asyncio
async def test_an_error_that_quotes_the_row_shows_no_token(engine, caplog):
    table = sessions_table(MetaData(), table_name())
    table.append_constraint(CheckConstraint(table.c.state != "bad"))
    async with SQLAlchemySessionStorage(engine, table, create=True, on_error="raise") as storage:
        for call in (
            lambda: storage.store_session(session(state="bad")),
            lambda: storage.compare_and_store(session(state="bad"), None),
        ):
            with pytest.raises(SessionStorageError) as caught:
                await call()
            check_chain(caught.value)
    logged = SQLAlchemySessionStorage(engine, table)
    assert await logged.store_session(session(state="bad")) is False
    await logged.disconnect()
    check(caplog.text)
    await drop(engine, table)


def check_chain(error):
    one = error
    while one is not None:
        check(f"{one!r} {one} {vars(one)!r} {getattr(one, 'orig', None)!r}")
        one = one.__cause__ or one.__context__
    for chained in traceback.TracebackException.from_exception(error, capture_locals=True).format():
        if "test_secrets.py" not in chained:  # a test has it in plain sight
            check(chained)


@pytest.mark.asyncio
async def test_errors_of_the_users_keep_their_parameters(engine):
    SQLAlchemySessionStorage(engine)
    async with engine.connect() as connection:
        with pytest.raises(Exception, match="a value of the user's"):
            await connection.execute(
                text("SELECT :mine FROM nowhere"), {"mine": "a value of the user's"}
            )
