"""Stored values that are no session's: they fail their own callers alone, and are shown nowhere."""

import asyncio
import logging
import sqlite3
from contextlib import asynccontextmanager

import aiosqlite
import pytest
from shopify_session_storage import CorruptSessionError, SessionStorageError
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_sqlite import SQLiteSessionStorage

GOOD = offline_session("good.myshopify.com")
BAD = online_session("bad.myshopify.com", 5)

NO_UTF8 = "CAST(X'73687061745f736563726574e9' AS TEXT)"  # shpat_secret, and é in Latin-1
SURROGATE = "CAST(X'73687061745f736563726574eda080' AS TEXT)"
BLOB = "CAST('shpat_secret' AS BLOB)"
TEXTS = ["shop", "state", "scope", "accessToken", "refreshToken", "firstName", "email", "locale"]


@pytest.fixture(params=["own", "borrowed"])
def opened(request, tmp_path):
    """Return what opens a storage on the same file, with connections of either kind."""

    @asynccontextmanager
    async def open(on_error="raise"):
        path = tmp_path / "sessions.db"
        if request.param == "own":
            async with SQLiteSessionStorage(path, on_error=on_error) as storage:
                yield storage
        else:
            async with aiosqlite.connect(path) as connection:
                yield SQLiteSessionStorage(connection, on_error=on_error)

    return open


async def spoil(opened, path, column, value):
    async with opened() as storage:
        await storage.store_session(GOOD)
        await storage.store_session(BAD)
    connection = sqlite3.connect(path)
    connection.execute(f"UPDATE shopify_sessions SET {column} = {value} WHERE id = ?", (BAD.id,))
    connection.commit()
    connection.close()


def assert_silent(error):
    while error is not None:
        assert "secret" not in f"{error} {error!r} {error.args} {vars(error)}"
        error = error.__cause__ or error.__context__


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("column", "value"),
    [
        *((column, value) for column in TEXTS for value in (NO_UTF8, BLOB)),
        ("accessToken", SURROGATE),
        ("expires", NO_UTF8),
        ("userId", NO_UTF8),
        ("userId", BLOB),
        ("isOnline", NO_UTF8),
        ("refreshTokenExpires", "'shpat_secret'"),
        ("expires", "9e999"),
    ],
)
async def test_value_that_is_none_fails_its_own_callers_alone(
    opened, tmp_path, caplog, column, value
):
    await spoil(opened, tmp_path / "sessions.db", column, value)
    async with opened() as storage:
        results = await asyncio.gather(
            *map(storage.load_session, [GOOD.id, BAD.id, GOOD.id, BAD.id]),
            storage.find_sessions_by_shop(GOOD.shop),
            storage.find_sessions_by_shop(BAD.shop),
            return_exceptions=True,
        )
        assert GOOD.equals(results[0])
        assert GOOD.equals(results[2])
        assert [GOOD.id] == [one.id for one in results[4]]
        found_by_shop = [] if column == "shop" else [results[5]]
        for error in (results[1], results[3], *found_by_shop):
            assert isinstance(error, CorruptSessionError)
            assert_silent(error)
        assert repr(BAD.id) in str(results[1])
    async with opened("log") as storage:
        with caplog.at_level(logging.DEBUG):
            assert await storage.load_session(BAD.id) is None
            assert await storage.find_sessions_by_shop(BAD.shop) == []
        assert "cannot be read" in caplog.text
        assert "secret" not in caplog.text
        assert await storage.store_session(BAD) is True  # a new version mends it
        assert BAD.equals(await storage.load_session(BAD.id))


@pytest.mark.asyncio
async def test_id_that_is_no_text_fails_its_shop_alone(opened, tmp_path):
    await spoil(opened, tmp_path / "sessions.db", "id", NO_UTF8)
    async with opened() as storage:
        with pytest.raises(CorruptSessionError):
            await storage.find_sessions_by_shop(BAD.shop)
        assert len(await storage.find_sessions_by_shop(GOOD.shop)) == 1
        assert await storage.load_session(BAD.id) is None


@pytest.mark.asyncio
async def test_numbers_in_columns_without_a_type_are_read_as_javascript_does(opened, tmp_path):
    connection = sqlite3.connect(tmp_path / "sessions.db")
    connection.execute(
        "CREATE TABLE shopify_sessions (id PRIMARY KEY, shop, state, isOnline, scope, accessToken)"
    )
    connection.executemany(
        "INSERT INTO shopify_sessions VALUES (?, 's', '', 0, ?, ?)",
        [("a", 7, "token"), ("b", None, 7), ("c", 1.5, "token")],
    )
    connection.commit()
    connection.close()
    async with opened() as storage:
        assert (await storage.load_session("a")).scope == "7"
        assert (await storage.load_session("c")).scope == "1.5"
        with pytest.raises(CorruptSessionError, match="accessToken is not a string"):
            await storage.load_session("b")


@pytest.mark.asyncio
async def test_message_of_a_trigger_is_not_shown(opened, tmp_path):
    await spoil(opened, tmp_path / "sessions.db", "state", "''")
    connection = sqlite3.connect(tmp_path / "sessions.db")
    connection.execute(
        "CREATE TRIGGER no BEFORE INSERT ON shopify_sessions "
        "BEGIN SELECT RAISE(ABORT, 'not shpat_secret'); END"
    )
    connection.commit()
    connection.close()
    async with opened() as storage:
        with pytest.raises(SessionStorageError, match="SQLITE_CONSTRAINT_TRIGGER") as caught:
            await storage.store_session(GOOD)
        assert "secret" not in str(caught.value)
