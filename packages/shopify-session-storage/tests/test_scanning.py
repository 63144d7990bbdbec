"""Walking through a storage, with what SQL storages share."""

import asyncio
import pickle
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shopify_session_storage import (
    CorruptSessionError,
    CustomSessionStorage,
    SessionStorageUnavailableError,
    page_of,
)
from shopify_session_storage.pages import SLICE
from shopify_session_storage.sync import SyncSessionStorage
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_sqlite import SQLiteSessionStorage

from .scripted import DriverError, ScriptedStorage


def numbered(count):
    return [offline_session(f"shop-{number:04}.myshopify.com") for number in range(count)]


@pytest.mark.parametrize(("count", "batch"), [(0, 5), (1, 1), (10, 5), (11, 5), (9, 500)])
@pytest.mark.asyncio
async def test_all_are_seen_in_pages_whose_last_one_ends(count, batch, tmp_path):
    async with SQLiteSessionStorage(tmp_path / "s.db", on_error="raise") as storage:
        stored = numbered(count)
        await asyncio.gather(*map(storage.store_session, stored))
        pages = [page async for page in storage.scan_sessions(batch=batch)]
    assert all(len(page.sessions) <= batch for page in pages)
    assert [page.after is None for page in pages] == [False] * (len(pages) - 1) + [True]
    seen = [session for page in pages for session in page.sessions]
    assert sorted(one.id for one in seen) == [one.id for one in stored]


@pytest.mark.asyncio
async def test_another_object_goes_on_where_a_page_ended(tmp_path):
    async with SQLiteSessionStorage(tmp_path / "s.db", on_error="raise") as storage:
        await asyncio.gather(*map(storage.store_session, numbered(20)))
        async for page in storage.scan_sessions(batch=7):
            first = page
            break
    async with SQLiteSessionStorage(tmp_path / "s.db") as storage:
        pages = [page async for page in storage.scan_sessions(after=first.after)]
    others = [one.id for page in pages for one in page.sessions]
    assert {one.id for one in first.sessions}.isdisjoint(others)
    assert len(others) == 13


@pytest.mark.asyncio
async def test_a_long_page_is_read_some_at_a_time():
    """All else on the event loop gets its turn in between."""
    turns = 0

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.ensure_future(others())
    stored = [(one.id, one) for one in numbered(3 * SLICE)]
    page = await page_of(lambda one, _: one, stored, None)
    assert turns == 2
    assert page.sessions == [one for _, one in stored]
    beside.cancel()


def test_the_facade_walks_too(tmp_path):
    with SyncSessionStorage(SQLiteSessionStorage(tmp_path / "s.db")) as storage:
        for one in numbered(5):
            storage.store_session(one)
        pages = list(storage.scan_sessions(batch=2))
    assert [len(page.sessions) for page in pages] == [2, 2, 1]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["store", "delete", "page"]), max_size=30), st.integers(1, 7))
def test_what_is_there_throughout_is_seen_whatever_happens_meanwhile(steps, batch):
    async def walk():
        storage = SQLiteSessionStorage(":memory:", on_error="raise")
        kept = numbered(12)
        others = iter([offline_session(f"other-{number}.example") for number in range(40)])
        passing = []
        await asyncio.gather(*map(storage.store_session, kept))
        pages = storage.scan_sessions(batch=batch)
        seen = []
        for step in steps:
            if step == "store":
                passing.append(next(others))
                await storage.store_session(passing[-1])
            elif step == "delete" and passing:
                await storage.delete_session(passing.pop(0).id)
            elif step == "page":
                page = await anext(pages, None)
                seen += [] if page is None else page.sessions
        async for page in pages:
            seen += page.sessions
        assert {one.id for one in kept} <= {one.id for one in seen}
        await storage.disconnect()

    asyncio.run(walk())


@pytest.mark.asyncio
async def test_what_cannot_be_read_is_told_by_its_id_and_does_not_end_the_walk(tmp_path):
    async with SQLiteSessionStorage(tmp_path / "s.db", on_error="raise") as storage:
        stored = numbered(5)
        await asyncio.gather(*map(storage.store_session, stored))
        with sqlite3.connect(tmp_path / "s.db") as connection:
            connection.execute(
                "UPDATE shopify_sessions SET state = X'ff' WHERE id = ?", (stored[4].id,)
            )
        connection.close()
        pages = [page async for page in storage.scan_sessions(batch=5)]
        with pytest.raises(CorruptSessionError) as caught:
            await storage.load_session(stored[4].id)
        assert caught.value.id == stored[4].id
        assert pickle.loads(pickle.dumps(caught.value)).id == stored[4].id
    assert [id for page in pages for id in page.corrupt] == [stored[4].id]
    assert sum(len(page.sessions) for page in pages) == 4


@pytest.mark.parametrize("on_error", ["log", "raise"])
@pytest.mark.asyncio
async def test_a_failure_is_no_end(on_error):
    class Walkable(ScriptedStorage):
        async def _scan(self, after, batch):
            await self.scripted("scan")

    storage = Walkable(on_error=on_error)
    storage.errors["scan"] = [DriverError()]
    with pytest.raises(SessionStorageUnavailableError, match="could not walk through"):
        await anext(storage.scan_sessions())


def test_a_storage_that_cannot_be_walked_through_says_so():
    for storage in (
        ScriptedStorage(),
        CustomSessionStorage(store=bool, load=bool, delete=bool),
    ):
        with pytest.raises(NotImplementedError, match=f"{type(storage).__name__} cannot be walked"):
            storage.scan_sessions()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"batch": 0}, ValueError),
        ({"batch": 10_001}, ValueError),
        ({"batch": 1.5}, TypeError),
        ({"batch": True}, TypeError),
        ({"after": 5}, TypeError),
    ],
)
def test_bad_arguments_raise_at_once(arguments, error):
    with pytest.raises(error):
        SQLiteSessionStorage(":memory:").scan_sessions(**arguments)
