"""compare_and_store() and leases: what core does itself, for adapters and for third parties."""

import asyncio
import logging
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from shopify_session_storage import (
    CustomSessionStorage,
    InvalidSessionError,
    SessionStorageUnavailableError,
    check_comparison,
    check_lease,
)
from shopify_session_storage.stored import has_same_tokens
from shopify_session_storage.testing.sessions import offline_session

from .mutants import Backend, FiveMethodsStorage
from .scripted import ConnectionLostError, DataError, DriverError, ScriptedStorage, settle, spawn

pytestmark = pytest.mark.asyncio

MINUTE = timedelta(minutes=1)
OLD = offline_session("shop.myshopify.com")


def version(name):
    return replace(OLD, access_token=name)


class ComparingStorage(ScriptedStorage):
    """Compares and leases on its backend, as told."""

    conditional_writes = "backend"
    leases = "backend"

    def __init__(self, **settings):
        super().__init__(**settings)
        self.holders = {}

    async def _compare_and_store(self, session, expected):
        def swap():
            if not has_same_tokens(self.rows.get(session.id), expected):
                return False
            self.rows[session.id] = session
            return True

        stored = await self.scripted("compare", session.id, swap)
        await self.scripted("answer")
        return stored

    async def _acquire_lease(self, name, holder, milliseconds):
        self.holders.setdefault(name, holder)
        await self.scripted("acquire", (name, holder, milliseconds))
        return self.holders[name] == holder

    async def _release_lease(self, name, holder):
        await self.scripted("release", (name, holder))


# --- in the order of the calls --------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ScriptedStorage, ComparingStorage])
async def test_comparisons_and_stores_of_one_session_take_effect_in_order(kind):
    storage = kind(max_groups=4)
    assert await storage.store_session(OLD)
    gate = storage.hold("store")
    calls = spawn(
        storage.store_session(version("a")),
        storage.compare_and_store(version("b"), OLD),  # too late
        storage.compare_and_store(version("c"), version("a")),
        storage.store_session(version("d")),
        storage.compare_and_store(version("e"), version("d")),
        storage.delete_session(OLD.id),
        storage.compare_and_store(version("f"), None),
    )
    await settle()
    gate.set()
    assert await asyncio.gather(*calls) == [True, False, True, True, True, True, True]
    assert (await storage.load_session(OLD.id)).access_token == "f"


async def test_comparisons_that_had_to_wait_are_made_one_by_one():
    storage = ComparingStorage(max_groups=1)
    others = [offline_session(f"{number}.myshopify.com") for number in range(3)]
    gate = storage.hold("compare")
    calls = spawn(
        *(storage.compare_and_store(version(name), None) for name in "abc"),
        *(storage.compare_and_store(other, None) for other in others),
    )
    await settle()
    gate.set()
    assert await asyncio.gather(*calls) == [True, False, False, True, True, True]
    assert storage.arguments("compare").count(OLD.id) == 3
    assert (await storage.load_session(OLD.id)).access_token == "a"


async def test_what_the_caller_changes_meanwhile_is_neither_compared_nor_stored():
    storage = ComparingStorage()
    await storage.store_session(OLD)
    gate = storage.hold("compare")
    session, expected = version("new"), replace(OLD)
    [call] = spawn(storage.compare_and_store(session, expected))
    await settle()
    session.access_token = expected.access_token = "changed"
    gate.set()
    assert await call is True
    assert (await storage.load_session(OLD.id)).access_token == "new"


# --- failures -------------------------------------------------------------------------------------


async def test_a_comparison_whose_answer_was_lost_is_won_if_its_tokens_are_there():
    storage = ComparingStorage()
    await storage.store_session(OLD)
    storage.errors["answer"] = [ConnectionLostError()]
    assert await storage.compare_and_store(version("new"), OLD) is True
    assert storage.count("compare") == 2


async def test_a_comparison_that_got_lost_on_its_way_is_made_again():
    storage = ComparingStorage()
    await storage.store_session(OLD)
    storage.errors["compare"] = [ConnectionLostError()]
    assert await storage.compare_and_store(version("new"), OLD) is True
    assert storage.count("compare") == 2
    assert (await storage.load_session(OLD.id)).access_token == "new"


async def test_a_repeated_comparison_is_lost_to_whoever_came_between():
    storage = ComparingStorage()
    await storage.store_session(OLD)
    storage.errors["compare"] = [ConnectionLostError()]
    gate = storage.hold("recover")
    [call] = spawn(storage.compare_and_store(version("new"), OLD))
    await settle()
    storage.rows[OLD.id] = version("of another process")
    gate.set()
    assert await call is False


async def test_only_a_repeated_comparison_looks_at_what_is_there():
    storage = ComparingStorage()
    new = version("new")
    await storage.store_session(new)
    assert await storage.compare_and_store(new, OLD) is False
    assert storage.count("load") == 0


@pytest.mark.parametrize("error", [DriverError, DataError])
async def test_failures_raise_although_the_storage_logs_them(error, caplog):
    storage = ComparingStorage(on_error="log")
    for hook, call in (
        ("compare", lambda: storage.compare_and_store(OLD, None)),
        ("acquire", lambda: storage.acquire_lease("name", "holder", MINUTE)),
        ("release", lambda: storage.release_lease("name", "holder")),
    ):
        cause = error("a token")
        storage.errors[hook] = [cause]
        with pytest.raises(Exception, match=r"scripted: could not .* no\. 7") as caught:
            await call()
        assert isinstance(caught.value, SessionStorageUnavailableError) is (error is DriverError)
        assert caught.value.__cause__ is cause
        assert cause in storage.scrubbed
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_leases_are_repeated_once_after_a_lost_connection():
    storage = ComparingStorage()
    storage.errors["acquire"] = [ConnectionLostError()]
    assert await storage.acquire_lease("name", "holder", MINUTE) is True
    storage.errors["release"] = [ConnectionLostError()]
    await storage.release_lease("name", "holder")
    assert storage.arguments("acquire") == [("name", "holder", 60_000)] * 2
    assert storage.arguments("release") == [("name", "holder")] * 2


async def test_disconnect_waits_for_comparisons_and_leases_under_way():
    storage = ComparingStorage(max_groups=4)
    gates = [storage.hold("compare"), storage.hold("acquire")]
    calls = spawn(
        storage.compare_and_store(OLD, None), storage.acquire_lease("name", "holder", MINUTE)
    )
    await settle()
    [closing] = spawn(storage.disconnect())
    await settle()
    assert not closing.done()
    for gate in gates:
        gate.set()
    assert await asyncio.gather(*calls) == [True, True]
    await closing
    assert not storage.connected


# --- what a third party gets with its five methods ------------------------------------------------


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


# --- arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ttl", "milliseconds"),
    [
        (timedelta(microseconds=1), 1),
        (timedelta(microseconds=1000), 1),
        (timedelta(microseconds=1001), 2),
        (MINUTE, 60_000),
        (timedelta.max, 86_400_000_000_000_000),
    ],
)
async def test_the_time_of_a_lease_is_in_milliseconds_rounded_up(ttl, milliseconds):
    assert check_lease("name", "holder", ttl) == milliseconds


async def test_what_is_expected_must_be_storable_and_have_the_same_id():
    assert check_comparison(OLD, None) == check_comparison(OLD, version("x")) > 0
    with pytest.raises(InvalidSessionError, match="same id"):
        check_comparison(OLD, replace(OLD, id="other"))
    with pytest.raises(InvalidSessionError, match="access_token must not contain NUL"):
        check_comparison(OLD, version("nul\0"))
