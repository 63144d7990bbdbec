"""Loads that wait share one read, and each gets its own object."""

import asyncio

import pytest
from shopify_session_storage.stored import copy_session
from shopify_session_storage.testing.sessions import online_session

from .grouped import SHOP, occupied, opened, session
from .scripted import settle, spawn


@pytest.mark.asyncio
async def test_loads_of_one_id_share_one_read_and_each_gets_its_own_object():
    storage, gate, _ = await occupied("load")
    storage.rows["a"] = online_session(SHOP, id="a")
    calls = spawn(*(storage.load_session("a") for _ in range(5)))
    await settle()
    gate.set()
    loaded = await asyncio.gather(*calls)
    assert storage.arguments("load") == [["first"], ["a"]]
    assert all(one.equals(storage.rows["a"]) for one in loaded)
    assert len({id(one) for one in loaded}) == 5
    assert len({id(one.online_access_info.associated_user) for one in loaded}) == 5


@pytest.mark.asyncio
async def test_finds_travel_together_and_each_gets_its_own_shop_in_its_own_objects():
    storage, gate, _ = await occupied("find")
    storage.rows["a"] = online_session(SHOP, id="a")
    storage.rows["c"] = online_session("c", id="c")
    calls = spawn(*(storage.find_sessions_by_shop(shop) for shop in (SHOP, SHOP, "b", SHOP, "c")))
    await settle()
    gate.set()
    first, second, empty, third, [other] = await asyncio.gather(*calls)
    assert storage.arguments("find") == [["first.myshopify.com"], [SHOP, "b", "c"]]
    assert empty == []
    assert other.shop == "c"
    found = (first, second, third)
    assert all(one.shop == SHOP for [one] in found)
    assert len({id(many) for many in found}) == len({id(one) for [one] in found}) == 3


@pytest.mark.asyncio
async def test_a_load_is_never_answered_from_a_read_that_began_before_it():
    storage = await opened(max_groups=1)
    old, new = session("a", state="old"), session("a", state="new")
    storage.rows["a"] = old
    gates = [asyncio.Event() for _ in range(3)]

    async def read_then_take_a_while(ids):
        found = storage.stored(ids)
        gate = gates[len(storage.arguments("load"))]
        storage.calls.append(("load", list(ids)))
        await gate.wait()
        return found

    storage._load = read_then_take_a_while
    [first] = spawn(storage.load_session("a"))
    await settle()
    [second] = spawn(storage.load_session("a"))  # waits behind the first
    await settle()
    await storage.store_session(new)
    [third] = spawn(storage.load_session("a"))  # joins the second, which is not sent yet
    await settle()
    gates[0].set()
    await settle()
    newer = session("a", state="newer")
    await storage.store_session(newer)
    [fourth] = spawn(storage.load_session("a"))  # the read of the second has been sent
    await settle()
    for gate in gates:
        gate.set()
    loaded = await asyncio.gather(first, second, third, fourth)
    assert [one.state for one in loaded] == ["old", "new", "new", "newer"]
    assert storage.arguments("load") == [["a"]] * 3


@pytest.mark.asyncio
async def test_rows_are_matched_by_id_whatever_comes_back_and_in_which_order():
    storage, gate, first = await occupied("load")
    storage.rows = {id: session(id) for id in ("a", "b", "c", "stranger")}

    def disordered(ids):
        rows = [copy_session(storage.rows[id]) for id in ids if id in storage.rows]
        return [copy_session(storage.rows["stranger"]), *reversed(rows)]

    storage.stored = disordered
    calls = spawn(*(storage.load_session(id) for id in ("a", "none", "b", "c", "a")))
    await settle()
    gate.set()
    loaded = await asyncio.gather(*calls)
    assert [one and one.id for one in loaded] == ["a", None, "b", "c", "a"]
    assert await first is None
    assert await storage.load_session("alone") is None
