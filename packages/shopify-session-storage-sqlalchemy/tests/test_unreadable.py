"""Stored text that is no text: it fails its own callers alone, and is shown nowhere."""

import asyncio
import logging
import sqlite3

import pytest
from shopify_session_storage import CorruptSessionError
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_sqlalchemy import SQLAlchemySessionStorage, sessions_table
from sqlalchemy import DateTime, MetaData, Text, text
from sqlalchemy.types import TypeDecorator

from .conftest import SHOP, engine_on

GOOD = offline_session("good.myshopify.com")
BAD = online_session(SHOP, 5)
NO_UTF8 = "CAST(X'73687061745f736563726574e9' AS TEXT)"  # shpat_secret, and é in Latin-1


@pytest.mark.asyncio
@pytest.mark.parametrize("url", ["sqlite+aiosqlite:///{}/a.db", "sqlite+aiosqlite://"])
@pytest.mark.parametrize("column", ["accessToken", "refreshToken", "scope", "email"])
async def test_text_that_is_no_utf8_fails_its_own_callers_alone(tmp_path, caplog, url, column):
    async with engine_on(url.format(tmp_path)) as engine:
        async with SQLAlchemySessionStorage(engine, create=True, on_error="raise") as storage:
            await asyncio.gather(*map(storage.store_session, [GOOD, BAD]))
            async with engine.begin() as connection:
                await connection.execute(
                    text(f'UPDATE shopify_sessions SET "{column}" = {NO_UTF8} WHERE id = :id'),
                    {"id": BAD.id},
                )
            results = await asyncio.gather(
                *map(storage.load_session, [GOOD.id, BAD.id, GOOD.id, BAD.id]),
                storage.find_sessions_by_shop(GOOD.shop),
                storage.find_sessions_by_shop(BAD.shop),
                return_exceptions=True,
            )
            assert GOOD.equals(results[0])
            assert GOOD.equals(results[2])
            assert [GOOD.id] == [one.id for one in results[4]]
            for error in (results[1], results[3], results[5]):
                assert isinstance(error, CorruptSessionError)
                assert "secret" not in f"{error!r} {error.__cause__!r} {error.__context__!r}"
            (page,) = [page async for page in storage.scan_sessions()]
            assert page.corrupt == [BAD.id]
        logging_storage = SQLAlchemySessionStorage(engine)
        with caplog.at_level(logging.DEBUG, "shopify_session_storage"):
            assert await logging_storage.load_session(BAD.id) is None
        assert "cannot be read" in caplog.text
        assert "secret" not in caplog.text
        assert await logging_storage.store_session(BAD) is True  # a new version mends it
        assert BAD.equals(await logging_storage.load_session(BAD.id))
        await logging_storage.disconnect()
        async with engine.connect() as connection:  # the user's own are read as ever
            with pytest.raises(Exception, match="decode"):
                await connection.execute(text(f"SELECT {NO_UTF8}"))


class Sealed(TypeDecorator):
    impl = Text
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return value and f"sealed:{value}"

    def process_result_value(self, value, dialect):
        if value is not None and not value.startswith("sealed:"):
            raise ValueError(f"{value} is not sealed")
        return value and value.removeprefix("sealed:")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("column", "type", "value"),
    [("expires", DateTime(), "shpat_secret"), ("accessToken", Sealed(), "shpat_secret")],
)
async def test_value_that_its_type_cannot_read_fails_its_own_callers_alone(
    tmp_path, column, type, value
):
    table = sessions_table(MetaData())
    table.c[column].type = type
    async with (
        engine_on(f"sqlite+aiosqlite:///{tmp_path}/a.db") as engine,
        SQLAlchemySessionStorage(engine, table, create=True, on_error="raise") as storage,
    ):
        await asyncio.gather(*map(storage.store_session, [GOOD, BAD]))
        async with engine.begin() as connection:
            await connection.execute(
                text(f'UPDATE shopify_sessions SET "{column}" = :value WHERE id = :id'),
                {"value": value, "id": BAD.id},
            )
        results = await asyncio.gather(
            *map(storage.load_session, [GOOD.id, GOOD.id, BAD.id, GOOD.id, BAD.id]),
            return_exceptions=True,
        )
        assert all(GOOD.equals(results[place]) for place in (0, 1, 3))
        for error in (results[2], results[4]):
            assert isinstance(error, CorruptSessionError)
            assert "secret" not in f"{error!r} {error.__cause__!r} {error.__context__!r}"
        (page,) = [page async for page in storage.scan_sessions()]
        assert page.corrupt == [BAD.id]
        assert [GOOD.id] == [one.id for one in page.sessions]


def test_a_message_that_quotes_a_text_is_not_shown():
    from shopify_session_storage_sqlalchemy.errors import describe, scrub
    from sqlalchemy import exc

    orig = sqlite3.OperationalError("Could not decode to UTF-8 column 'x' with text 'shpat_secret'")
    error = exc.OperationalError("SELECT", {}, orig)
    assert "secret" not in describe(error)
    scrub(error)
    assert "secret" not in f"{error} {orig!r} {describe(error)}"
