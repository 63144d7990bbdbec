"""Writes of one id take effect in order, and never two at once."""

import asyncio

import pytest
from shopify_session_storage.testing.sessions import online_session

from .grouped import SHOP, occupied, opened, session
from .scripted import settle, spawn


@pytest.mark.asyncio
async def test_of_stores_of_one_id_the_last_is_written_and_then_all_are_acknowledged():
    storage, gate, first = await occupied("store")
    versions = [session("a", state=str(number)) for number in range(5)]
    calls = spawn(*(storage.store_session(version) for version in versions))
    await settle()
    second_gate = storage.gates["store"] = asyncio.Event()
    gate.set()
    await settle()
    assert first.done()
    assert not any(call.done() for call in calls)
    second_gate.set()
    assert await asyncio.gather(*calls) == [True] * 5
    assert storage.arguments("store") == [["first"], ["a"]]
    assert storage.rows["a"].equals(versions[-1])


@pytest.mark.asyncio
async def test_what_waits_is_not_changed_with_the_callers_object():
    storage, gate, _ = await occupied("store")
    mine = online_session(SHOP, id="a")
    kept = online_session(SHOP, id="a", access_token=mine.access_token)
    [call] = spawn(storage.store_session(mine))
    await settle()
    mine.access_token = mine.online_access_info.associated_user.email = "spoilt"
    gate.set()
    await call
    assert storage.rows["a"].equals(kept)


@pytest.mark.asyncio
async def test_store_and_delete_of_one_id_are_never_under_way_at_once_nor_overtake_one_another():
    storage = await opened(max_groups=4)
    gates = {hook: storage.hold(hook) for hook in ("store", "delete")}
    calls = spawn(
        storage.store_session(session("a", state="1")),
        storage.delete_session("a"),
        storage.store_session(session("a", state="2")),
        storage.store_session(session("b")),
        storage.delete_sessions(["c", "a"]),
        storage.delete_session("c"),
        storage.store_session(session("a", state="3")),
    )
    await settle()
    # What concerns another id does not wait, but for what waits with a call before it.
    assert storage.under_way == [("store", ["a"]), ("store", ["b"])]
    gates["store"].set()
    await settle()
    assert storage.under_way == [("delete", ["a"])]
    gates["delete"].set()
    assert await asyncio.gather(*calls) == [True] * 7
    assert storage.rows["a"].state == "3"
    ids = [(name, set(ids)) for name, ids in storage.calls if "a" in ids]
    assert [name for name, _ in ids] == ["store", "delete", "store", "delete", "store"]


@pytest.mark.asyncio
async def test_a_cancelled_write_goes_on_and_the_next_one_for_its_id_waits_for_its_end():
    storage = await opened(max_groups=4)
    gate = storage.hold("store")
    [storing] = spawn(storage.store_session(session("a")))
    await settle()
    [deleting] = spawn(storage.delete_session("a"))
    await settle()
    storing.cancel()
    await settle()
    assert storing.cancelled()
    assert storage.under_way == [("store", ["a"])]
    gate.set()
    assert await deleting is True
    assert storage.calls == [("store", ["a"]), ("delete", ["a"])]
    assert storage.rows == {}


@pytest.mark.asyncio
async def test_a_write_waits_for_the_group_of_a_cancelled_caller():
    storage, gate, _ = await occupied("store", max_groups=1)
    grouped = spawn(storage.store_session(session("a")), storage.store_session(session("b")))
    await settle()
    storage.max_groups = 4
    second_gate = storage.gates["store"] = asyncio.Event()
    gate.set()
    await settle()
    for call in grouped:
        call.cancel()
    [deleting] = spawn(storage.delete_session("a"))
    await settle()
    assert storage.under_way == [("store", ["a", "b"])]
    second_gate.set()
    await deleting
    assert set(storage.rows) == {"first", "b"}
