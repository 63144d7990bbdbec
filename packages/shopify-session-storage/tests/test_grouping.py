"""Calls that wait travel together: when they leave, and in which groups."""

import asyncio
from contextvars import ContextVar

import pytest

from .grouped import SHOP, occupied, opened, session
from .scripted import settle, spawn


@pytest.mark.asyncio
async def test_a_lone_read_goes_out_in_its_callers_own_task():
    storage = await opened()
    tasks = set()
    storage.failing = dict.fromkeys(("load", "find"), lambda _: tasks.add(asyncio.current_task()))
    storage.rows["a"] = session("a")
    assert await storage.load_session("a") is not None
    assert len(await storage.find_sessions_by_shop(SHOP)) == 1
    assert tasks == {asyncio.current_task()}


@pytest.mark.asyncio
async def test_what_works_for_several_callers_runs_in_no_callers_context():
    storage, gate, first = await occupied("load", max_groups=1)
    request = ContextVar("request", default=None)
    seen = []
    storage.failing = dict.fromkeys(
        ("load", "store", "delete"), lambda _: seen.append(request.get())
    )
    request.set("mine")
    calls = spawn(
        storage.load_session("a"),
        storage.load_session("b"),
        storage.store_session(session("a")),
        storage.delete_session("b"),
    )
    await settle()
    gate.set()
    await asyncio.gather(first, *calls)
    assert seen[-3:] == [None] * 3


@pytest.mark.asyncio
async def test_a_call_goes_at_once_and_those_that_come_meanwhile_in_groups_of_equal_shares():
    storage = await opened(max_groups=2)
    gate = storage.hold("load")
    calls = spawn(*(storage.load_session(id) for id in "abcdef"))
    await settle()
    assert storage.arguments("load") == [["a"], ["b", "c", "d"]]
    gate.set()
    await asyncio.gather(*calls)
    assert storage.arguments("load") == [["a"], ["b", "c", "d"], ["e"], ["f"]]


@pytest.mark.parametrize("groups", [1, 2, 3, 5])
@pytest.mark.asyncio
async def test_callers_who_call_again_and_again_are_spread_over_all_groups_evenly(groups):
    storage = await opened(max_groups=groups)
    load = storage._load

    async def load_in_a_moment(ids):
        await asyncio.sleep(0.002)
        return await load(ids)

    storage._load = load_in_a_moment

    async def calls(id):
        for _ in range(10):
            await storage.load_session(id)

    await asyncio.gather(*(calls(f"{number:02}") for number in range(30)))
    sizes = [len(ids) for ids in storage.arguments("load")]
    assert sum(sizes) == 300
    # The first leaves alone, and the last ones have nobody to wait for.
    assert max(sizes) <= -(-30 // groups)
    assert len(sizes) <= 13 * groups


@pytest.mark.parametrize("hook", ["store", "delete"])
@pytest.mark.asyncio
async def test_writes_leave_sorted_by_id(hook):
    storage, gate, first = await occupied(hook)
    write = storage.delete_session if hook == "delete" else storage.store_session
    make = str if hook == "delete" else session
    calls = spawn(*(write(make(id)) for id in "dacb"))
    await settle()
    gate.set()
    assert await asyncio.gather(first, *calls) == [True] * 5
    assert storage.arguments(hook) == [["first"], ["a", "b", "c", "d"]]


@pytest.mark.asyncio
async def test_groups_are_bounded_in_items_and_callers_are_served_in_order():
    storage, gate, _ = await occupied("load", max_group_items=3)
    ids = [f"{number:02}" for number in range(8)]
    calls = spawn(*(storage.load_session(id) for id in ids))
    done = []
    for id, call in zip(ids, calls, strict=True):
        call.add_done_callback(lambda _, served=id: done.append(served))
    await settle()
    gate.set()
    await asyncio.gather(*calls)
    assert storage.arguments("load")[1:] == [ids[:3], ids[3:6], ids[6:]]
    assert done == ids


@pytest.mark.asyncio
async def test_groups_are_bounded_in_bytes_and_a_larger_session_goes_alone():
    storage, gate, _ = await occupied("store", max_group_bytes=3000)
    sizes = {"a": 1000, "b": 1000, "c": 1000, "d": 9000, "e": 10, "f": 10}
    calls = spawn(
        *(storage.store_session(session(id, scope="s" * size)) for id, size in sizes.items())
    )
    await settle()
    gate.set()
    await asyncio.gather(*calls)
    assert storage.arguments("store")[1:] == [["a", "b"], ["c"], ["d"], ["e", "f"]]


@pytest.mark.asyncio
async def test_many_ids_of_one_call_share_no_group_beyond_the_bound():
    storage, gate, first = await occupied("delete", max_group_items=3)
    calls = spawn(storage.delete_sessions(["a", "b"]), storage.delete_sessions(["c", "d", "e"]))
    await settle()
    gate.set()
    await asyncio.gather(first, *calls)
    assert storage.arguments("delete")[1:] == [["a", "b"], ["c", "d", "e"]]


@pytest.mark.asyncio
async def test_loads_and_finds_do_not_wait_for_writes():
    storage, gate, first = await occupied("store")
    assert await storage.load_session("a") is None
    assert await storage.find_sessions_by_shop(SHOP) == []
    gate.set()
    await first
