"""A storage works on one event loop after another, and on no two at once."""

import asyncio

import pytest

from .five_calls import SESSION, SHOP
from .scripted import ScriptedStorage, settle, spawn


@pytest.fixture
def storage():
    return ScriptedStorage()


def test_works_on_one_event_loop_after_another(storage):
    async def use():
        async with storage:
            return await storage.store_session(SESSION)

    assert asyncio.run(use()) is True
    assert asyncio.run(use()) is True
    assert [name for name, _ in storage.calls] == ["open", "ping", "store", "close"] * 2


def test_opens_anew_where_the_loop_it_was_open_on_has_ended(storage):
    assert asyncio.run(storage.store_session(SESSION)) is True
    assert asyncio.run(storage.load_session(SESSION.id)).equals(SESSION)
    asyncio.run(storage.disconnect())
    asyncio.run(storage.disconnect())
    assert [name for name, _ in storage.calls] == [
        *("open", "store", "abandon"),
        *("open", "load", "abandon"),
    ]


def test_calls_cut_off_with_their_loop_do_not_reach_into_the_next(storage):
    storage.max_groups = 1

    async def cut_off():
        storage.hold("load")
        spawn(*(storage.load_session(id) for id in "abc"))
        await settle()

    asyncio.run(cut_off())
    storage.gates.clear()
    assert storage.under_way == []
    assert asyncio.run(storage.load_session("a")) is None


@pytest.mark.asyncio
async def test_a_second_running_event_loop_is_refused_and_does_no_harm(storage):
    await storage.ready()
    for call in (
        storage.load_session("a"),
        storage.store_session(SESSION),
        storage.delete_session("a"),
        storage.find_sessions_by_shop(SHOP),
        storage.ready(),
        storage.disconnect(),
    ):
        with pytest.raises(RuntimeError, match="another running event loop"):
            await asyncio.to_thread(asyncio.run, call)
    assert await storage.load_session("a") is None
    await storage.disconnect()
    assert await asyncio.to_thread(asyncio.run, storage.load_session("a")) is None
    assert storage.count("open") == 2
