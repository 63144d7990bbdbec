"""Every wait has an end: for a silent server, on a silent connection, by a caller's own limit."""

import asyncio
import time
from datetime import timedelta

import pytest
from servers.calling import each_call
from shopify_session_storage import SessionStorageUnavailableError
from shopify_session_storage.testing.sessions import offline_session, online_session

from .conftest import SHOP

SESSION = offline_session(SHOP)
MANY = [online_session(SHOP, user) for user in range(30)]
MINUTE = timedelta(minutes=1)


@pytest.fixture
def silence(between):
    """Return an event that ends the silence of the server, which begins with it."""
    speaks = asyncio.Event()

    async def spoil(operation, parameters, forward):
        await speaks.wait()
        return await forward(parameters)

    def begin():
        between.spoil = spoil
        return speaks

    yield begin
    speaks.set()


@pytest.mark.asyncio
async def test_silent_server_holds_no_call_for_longer_than_its_limit(make, between, silence):
    async with make(between.url, timeout=timedelta(seconds=2)) as storage:
        await storage.store_session(SESSION)
        speaks = silence()
        began = time.monotonic()
        results = await asyncio.gather(*each_call(storage, SESSION, MANY), return_exceptions=True)
        assert time.monotonic() - began < 4
        assert all(isinstance(result, SessionStorageUnavailableError) for result in results)
        assert await storage.is_ready() is False
        speaks.set()
        between.spoil = None
        async with asyncio.timeout(30):
            while not await storage.is_ready():
                await asyncio.sleep(0.1)
        assert SESSION.equals(await storage.load_session(SESSION.id))


@pytest.mark.asyncio
async def test_silent_connection_is_given_up_for_a_new_one(make, between):
    async with make(between.url, timeout=timedelta(seconds=2)) as storage:
        await storage.store_session(SESSION)
        forever = asyncio.Event()
        silent = [True]

        async def spoil(operation, parameters, forward):
            if silent:
                silent.clear()
                await forever.wait()
            return await forward(parameters)

        between.spoil = spoil
        assert SESSION.equals(await storage.load_session(SESSION.id))
        forever.set()


@pytest.mark.asyncio
async def test_limit_of_the_caller_ends_a_call_at_once(make, between, silence):
    async with make(between.url, timeout=timedelta(seconds=2)) as storage:
        speaks = silence()
        for call in each_call(storage, SESSION, MANY):
            began = time.monotonic()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await call
            assert time.monotonic() - began < 1
        speaks.set()
