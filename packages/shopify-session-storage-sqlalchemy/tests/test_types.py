"""Columns of other types than ours, also of types of the user's own."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_sqlalchemy import SQLAlchemySessionStorage
from sqlalchemy import DateTime, LargeBinary, Numeric, String
from sqlalchemy.types import TypeDecorator

from .conftest import DRIVERS, SHOP, drop
from .tables import Reversed, declared, works


class InUtc(TypeDecorator):
    """A date that knows its zone, on every database: the recipe of SQLAlchemy's documentation."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value, dialect):
        if value is not None:
            if not value.tzinfo:
                raise TypeError("tzinfo is required")
            value = value.astimezone(UTC).replace(tzinfo=None)
        return value

    def process_result_value(self, value, dialect):
        return value and value.replace(tzinfo=UTC)


class Moment(datetime):
    """Like the datetimes of other packages."""


class Moments(InUtc):
    cache_ok = True

    def process_result_value(self, value, dialect):
        return value and Moment.fromisoformat(value.replace(tzinfo=UTC).isoformat())


class Sealed(TypeDecorator):
    """Bytes in place of a text, the same ones for the same text."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return None if value is None else bytes(byte ^ 0x9C for byte in value.encode())

    def process_result_value(self, value, dialect):
        return None if value is None else bytes(byte ^ 0x9C for byte in value).decode()


DATES, TOKENS = ("expires", "refreshTokenExpires"), ("accessToken", "refreshToken")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("columns", "type"),
    [
        (DATES, InUtc()),
        (DATES, Moments()),
        (DATES, InUtc(timezone=True)),
        (TOKENS, Reversed()),
        ((*DATES, "userId"), Numeric(20, 0)),
        (("userId",), String(20)),
    ],
    ids=repr,
)
async def test_everything_works_in_columns_of_another_type(engine, columns, type):
    await everything_works(engine, columns, type)


@pytest.mark.asyncio
@pytest.mark.parametrize("url", [one for one in DRIVERS if one != "aiomysql"], indirect=True)
@pytest.mark.parametrize("columns", [TOKENS, TOKENS[1:]], ids=len)
async def test_so_does_it_where_tokens_are_bytes(engine, columns):
    """But on aiomysql, which fails on parameters that are bytes."""
    await everything_works(engine, columns, Sealed())


async def everything_works(engine, columns, type):
    _, table, leases = declared()
    for name in columns:
        table.c[name].type = type
    async with SQLAlchemySessionStorage(engine, table, create=True, on_error="raise") as storage:
        await works(storage)
        await compares(storage)
        loaded = await storage.load_session("kept")
        assert {datetime} == {*map(_class, (loaded.expires, loaded.refresh_token_expires))}
    await drop(engine, table, leases)


def _class(value):
    return value.__class__


async def compares(storage):
    """Compare tokens, one session and many."""
    old = offline_session(SHOP, access_token="é1", refresh_token=None)
    new = offline_session(SHOP, access_token="é2", refresh_token="r")
    assert await storage.store_session(old)
    assert await storage.compare_and_store(new, new) is False
    assert await storage.compare_and_store(new, old) is True
    assert await storage.compare_and_store(old, old) is False
    assert new.equals(await storage.load_session(new.id))
    assert await storage.compare_and_delete(old) is False
    many = [new, *(online_session(SHOP, user) for user in range(1, 20))]
    assert all(await asyncio.gather(*map(storage.store_session, many)))
    many[3].access_token = "another"
    deleted = await asyncio.gather(*map(storage.compare_and_delete, many))
    assert deleted == [number != 3 for number in range(20)]
    assert [one.id for one in await storage.find_sessions_by_shop(SHOP)] == [many[3].id]
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    kept = offline_session(SHOP, id="kept", expires=soon, refresh_token_expires=soon)
    assert await storage.store_session(kept)
    assert kept.equals(await storage.load_session("kept"))
