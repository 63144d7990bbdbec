"""compare_and_store() and leases: in the order of the calls, with arguments that are checked."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from shopify_session_storage import InvalidSessionError, check_comparison, check_lease
from shopify_session_storage.testing.sessions import offline_session

from .comparing import MINUTE, OLD, ComparingStorage, version
from .scripted import ScriptedStorage, settle, spawn

pytestmark = pytest.mark.asyncio


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
