"""compare_and_store() and leases: what a third party gets with its five methods."""

import asyncio
import threading

import pytest
from shopify_session_storage import CustomSessionStorage, SessionStorageUnavailableError

from .comparing import MINUTE, OLD, version
from .mutants import Backend, FiveMethodsStorage
from .scripted import settle, spawn

pytestmark = pytest.mark.asyncio


async def test_of_many_threads_with_a_storage_of_five_methods_one_wins():
    storage = FiveMethodsStorage(Backend())
    await storage.store_session(OLD)
    results, leases = [], []

    async def compare(number):
        versions = [version(f"{number}.{turn}") for turn in range(20)]
        results.extend(
            await asyncio.gather(*(storage.compare_and_store(one, OLD) for one in versions))
        )
        leases.append(await storage.acquire_lease("name", f"{number}", MINUTE))

    threads = [threading.Thread(target=asyncio.run, args=(compare(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert sorted(results) == [False] * 159 + [True]
    assert sorted(leases) == [False] * 7 + [True]


async def test_cancelled_callers_do_not_keep_the_lock():
    storage = FiveMethodsStorage(Backend())
    for ticks in range(8):
        calls = spawn(*(storage.compare_and_store(version(name), None) for name in "abcd"))
        await settle(ticks)
        for call in calls[:3]:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        found = await storage.load_session(OLD.id)
        assert await storage.compare_and_store(version("next"), found) is True
        await storage.delete_session(OLD.id)


async def test_a_callback_that_does_not_store_is_a_failure_and_not_a_lost_comparison():
    storage = CustomSessionStorage(
        store=lambda session: False, load=lambda key: None, delete=lambda key: True
    )
    assert (storage.conditional_writes, storage.leases) == ("process", "process")
    with pytest.raises(SessionStorageUnavailableError, match="could not store session"):
        await storage.compare_and_store(OLD, None)
    assert await storage.compare_and_store(OLD, OLD) is False


async def test_callbacks_compare_and_lease_in_this_process():
    kept = {}

    def store(session):
        kept[session.id] = session
        return True

    storage = CustomSessionStorage(store=store, load=kept.get, delete=lambda key: True)
    calls = (storage.compare_and_store(version(name), None) for name in "abc")
    assert await asyncio.gather(*calls) == [True, False, False]
    assert await storage.compare_and_store(version("d"), version("a")) is True
    assert kept[OLD.id].access_token == "d"
    assert await storage.acquire_lease("name", "a", MINUTE) is True
    assert await storage.acquire_lease("name", "b", MINUTE) is False
