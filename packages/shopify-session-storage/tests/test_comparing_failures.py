"""compare_and_store() and leases: what is lost is repeated, and every failure raised."""

import asyncio
import logging

import pytest
from shopify_session_storage import SessionStorageUnavailableError

from .comparing import MINUTE, OLD, ComparingStorage, version
from .scripted import ConnectionLostError, DataError, DriverError, settle, spawn

pytestmark = pytest.mark.asyncio


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
