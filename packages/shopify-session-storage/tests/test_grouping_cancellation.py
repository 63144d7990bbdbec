"""A caller that is cancelled disturbs nobody in its group."""

import asyncio

import pytest

from .grouped import occupied, session
from .scripted import settle, spawn


@pytest.mark.asyncio
async def test_a_caller_that_is_cancelled_while_it_waits_is_not_sent_and_disturbs_nobody():
    storage, gate, _ = await occupied("load")
    calls = spawn(*(storage.load_session(id) for id in "abc"))
    await settle()
    calls[0].cancel()
    await settle()
    gate.set()
    assert await asyncio.gather(*calls[1:]) == [None, None]
    assert storage.arguments("load") == [["first"], ["b", "c"]]


@pytest.mark.asyncio
async def test_all_who_wait_may_be_cancelled():
    storage, gate, first = await occupied("store")
    calls = spawn(*(storage.store_session(session(id)) for id in "abc"))
    await settle()
    for call in calls:
        call.cancel()
    await settle()
    gate.set()
    assert await first is True
    assert await storage.store_session(session("d")) is True
    await storage.disconnect()
    assert storage.arguments("store") == [["first"], ["d"]]


@pytest.mark.asyncio
async def test_a_caller_that_is_cancelled_after_its_group_has_left_disturbs_nobody():
    storage, gate, _ = await occupied("store")
    calls = spawn(*(storage.store_session(session(id)) for id in "abc"))
    await settle()
    second_gate = storage.gates["store"] = asyncio.Event()
    gate.set()
    await settle()
    calls[0].cancel()
    await settle()
    second_gate.set()
    assert await asyncio.gather(*calls[1:]) == [True, True]
    assert calls[0].cancelled()
    assert set(storage.rows) == {"first", "a", "b", "c"}


@pytest.mark.asyncio
async def test_a_lone_call_that_is_cancelled_leaves_its_place_to_those_who_wait():
    storage, gate, first = await occupied("load")
    calls = spawn(*(storage.load_session(id) for id in "ab"))
    await settle()
    first.cancel()
    await settle()
    assert storage.under_way == [("load", ["a", "b"])]
    gate.set()
    assert await asyncio.gather(*calls) == [None, None]
