"""A Python app and a Node app on one live database, on every backend.

The official JavaScript adapters run in Node; what they and ours do to the same database is compared
through both. Each test that has a row in the matrix of ``README.md`` names it.
"""

import asyncio
import json
import re
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import golden
import pytest
from hypothesis import HealthCheck, given, settings
from interop.app_tables import APP_TABLES
from interop.backends import BACKENDS, REDIS
from interop.differences import (
    DIFFERENCES,
    FAILING_AT_START,
    FINDING_25,
    LOSING_LIST_ENTRIES,
    arrives,
)
from interop.packages import HERE
from interop.peer import PeerError
from redis.asyncio import Redis
from shopify_session_storage import MigrationError
from shopify_session_storage.testing.sessions import offline_session, online_session, unique

from .drawing import any_sessions
from .many import all_there_and_gone
from .reading import found_ids, sides

pytestmark = pytest.mark.asyncio
MANIFEST = golden.load(HERE / "data" / "sessions.json")
BOTH_WAYS = pytest.mark.parametrize("writer", ["JavaScript", "Python"])
in_an_example = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


# --- the same sessions ----------------------------------------------------------------------------


@pytest.mark.shows("{writer} stores the manifest, {reader} loads and finds every session of it")
@BOTH_WAYS
async def test_manifest(backend, writer, javascript, python):
    writing, reading = sides(writer, javascript, python)
    cases = {case["name"]: case for case in MANIFEST["cases"]}
    stored = {name: [] for name in cases}
    for operation in MANIFEST["operations"]:
        match operation["op"]:
            case "store":
                name = operation["case"]
                session = golden.session(cases[name]["versions"][operation["version"]])
                stored[name].append(session)
                await writing.store_session(session)
            case "delete":
                await writing.delete_session(operation["id"])
            case "deleteMany":
                await writing.delete_sessions(operation["ids"])
    shops = {shop: {} for shop in MANIFEST["queries"]["shops"]}
    ids = set(MANIFEST["queries"]["ids"])
    for name, case in cases.items():
        loaded = await reading.load_session(case["id"])
        if case["final"] is None:
            assert loaded is None, name
        else:
            assert loaded == arrives(backend.name, writer, *stored[name]), name
            shops[loaded.shop][loaded.id] = loaded
    for id in ids - {case["id"] for case in cases.values()}:
        assert await reading.load_session(id) is None, id
    for shop, expected in shops.items():
        found = await reading.find_sessions_by_shop(shop)
        of_shop = {one.id: one for one in found if one is not None and one.shop == shop}
        assert of_shop == expected, shop


@pytest.mark.shows("{writer} stores what hypothesis makes, {reader} loads an equal session")
@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.id)
@BOTH_WAYS
@in_an_example
@given(session=any_sessions())
async def test_any_session(backend, writer, javascript, python, session):
    writing, reading = sides(writer, javascript, python)
    await writing.store_session(session)
    assert await reading.load_session(session.id) == arrives(backend.name, writer, session)
    assert await found_ids(reading, session.shop) == {session.id}
    await reading.delete_session(session.id)
    assert await writing.load_session(session.id) is None
    assert await found_ids(writing, session.shop) == set()


@pytest.mark.shows("{writer} stores what hypothesis makes, {reader} loads an equal session")
@pytest.mark.parametrize("backend", APP_TABLES, ids=lambda backend: backend.id)
@BOTH_WAYS
async def test_many_sessions(backend, writer, javascript, python, times):
    await all_there_and_gone(backend, writer, javascript, python, times)


ANY_DIFFERENCE = [
    pytest.param(backend, difference, writer, id=f"{backend.id}-{writer}-{difference.what}")
    for backend in (*BACKENDS, *APP_TABLES)
    for difference in DIFFERENCES
    if backend.name in difference.backends
    for writer in (["JavaScript", "Python"] if difference.writer is None else [difference.writer])
]


@pytest.mark.parametrize(("backend", "difference", "writer"), ANY_DIFFERENCE)
async def test_difference_is_real(difference, writer, javascript, python):
    writing, reading = sides(writer, javascript, python)
    session = difference.example
    assert difference.change(session) != session
    await writing.store_session(session)
    loaded = await reading.load_session(session.id)
    assert difference.change(loaded) == loaded
    assert loaded != session


# --- the same database ----------------------------------------------------------------------------


@pytest.mark.shows("{reader} finds by shop and deletes what {writer} stored")
@BOTH_WAYS
async def test_found_and_deleted(writer, javascript, python):
    writing, reading = sides(writer, javascript, python)
    shop = unique("shop")
    stored = [offline_session(shop), *(online_session(shop, user) for user in (7, 8, 9))]
    for session in stored:
        await writing.store_session(session)
    ids = [session.id for session in stored]
    assert await found_ids(reading, shop) == set(ids)
    assert await reading.delete_session(ids[0])
    assert await found_ids(writing, shop) == set(ids[1:])
    assert await reading.delete_sessions([*ids[1:3], unique("missing")])
    assert await found_ids(writing, shop) == {ids[3]}
    assert [await writing.load_session(id) for id in ids[:3]] == [None] * 3
    assert await writing.delete_session(ids[3])
    assert await found_ids(reading, shop) == set()
    assert await reading.load_session(ids[3]) is None


@pytest.mark.shows("{writer} updates the session of {reader}, which sees exactly the new version")
@BOTH_WAYS
async def test_updated(backend, writer, javascript, python):
    writing, reading = sides(writer, javascript, python)
    shop = unique("shop")
    old = online_session(shop, 7, refresh_token="shprt_old")
    new = replace(
        online_session(shop, 7, expires=datetime(2033, 1, 2, tzinfo=UTC), state="new"),
        scope="write_orders",
    )
    bare = replace(new, scope=None, expires=None, access_token=None, online_access_info=None)
    versions = [old]
    await reading.store_session(old)
    for version in (new, bare):
        versions.append(version)
        await writing.store_session(version)
        expected = arrives(backend.name, writer, *versions)
        assert await reading.load_session(old.id) == expected
        assert await reading.find_sessions_by_shop(shop) == [expected] or backend.name == "kv-style"
        assert await found_ids(reading, shop) == {old.id}


async def test_compared_and_leased(space, backend, peer):
    """What JavaScript stored is compared; leases are nothing to it, nor to its migrations."""
    shop, minute = unique("shop"), timedelta(minutes=1)
    old = offline_session(shop, refresh_token=None)
    newer, newest = replace(old, access_token="newer"), replace(old, access_token="newest")
    async with space.python() as python:
        for name in (old.id, shop):
            assert await python.acquire_lease(name, "holder", minute)
        if backend is REDIS:  # as if its migration, which reads all keys, had not run
            prefix = space.javascript["prefix"]
            async with Redis.from_url(space.javascript["url"]) as raw:
                await raw.delete(f"{prefix}_migrations")
        async with peer.open(backend.opened_as, space.javascript) as javascript:
            assert await javascript.load_session(old.id) is None
            assert await found_ids(javascript, shop) == set()
            await javascript.store_session(old)
            assert not await python.compare_and_store(newer, None)
            assert not await python.compare_and_store(newer, newest)
            assert await python.compare_and_store(newer, old)
            assert await javascript.load_session(old.id) == newer
            assert await found_ids(javascript, shop) == {old.id}
            await javascript.store_session(newest)
            assert not await python.compare_and_store(old, newer)
            assert await javascript.delete_session(old.id)
            assert await python.compare_and_store(old, None)
            assert await found_ids(javascript, shop) == {old.id}
        for name in (old.id, shop):
            assert not await python.acquire_lease(name, "other", minute)


CREATED = [
    pytest.param(backend, first, id=f"{backend.name}-{first}")
    for backend in BACKENDS
    for first in (
        ["JavaScript first", "Python first", "both at once"]
        if backend.either_creates
        else ["Python first"]
    )
]


@pytest.mark.shows("an empty database: {first}")
@pytest.mark.parametrize(("backend", "first"), CREATED)
async def test_created(backend, first, space, peer):
    async with AsyncExitStack() as stack:
        python = space.python()
        stack.push_async_callback(python.disconnect)

        async def open_javascript():
            return await stack.enter_async_context(peer.open(backend.opened_as, space.javascript))

        if first == "both at once":
            javascript, _ = await asyncio.gather(
                open_javascript(), python.ready(), return_exceptions=True
            )
            if isinstance(javascript, PeerError):
                # It looks for the table and then creates it, in two steps; a second start works.
                assert backend.name in FAILING_AT_START
                assert re.search("already exists|duplicate|unique", str(javascript), re.IGNORECASE)
                javascript = await open_javascript()
        elif first == "JavaScript first":
            javascript = await open_javascript()
        await python.ready()
        if first == "Python first":
            javascript = await open_javascript()
        theirs = offline_session(unique("shop"))
        ours = online_session(theirs.shop)
        await javascript.store_session(theirs)
        assert await python.load_session(theirs.id) == theirs
        await python.store_session(ours)
        assert ours.equals(await javascript.load_session(ours.id))
        assert await found_ids(python, theirs.shop) == {ours.id, theirs.id}
        assert await found_ids(javascript, theirs.shop) == {ours.id, theirs.id}


OLD = [
    pytest.param(backend, file, table, id=file.partition(".")[0])
    for backend in BACKENDS
    for file, table in backend.old.items()
]


@pytest.mark.shows("an old database: {first} migrates it, both use it")
@pytest.mark.parametrize(("backend", "file", "table"), OLD)
@pytest.mark.parametrize("first", ["JavaScript", "Python"])
async def test_old_database(backend, file, table, first, space, peer):
    folder = backend.data / "old_schemas"
    await space.restore(folder / file)
    name = file.partition(".")[0].removesuffix("_keys")
    expected = golden.load(folder / f"{name}_after_js.json")["loads"]
    options = {} if table is None else {"table": table}
    async with AsyncExitStack() as stack:
        python = space.python(**options)
        stack.push_async_callback(python.disconnect)
        if first == "Python":
            await python.ready()
        javascript = await stack.enter_async_context(
            peer.open(backend.opened_as, {**space.javascript, **options})
        )
        await golden.assert_loads(python, expected)
        await golden.assert_loads(javascript, expected)
        for writer in ("JavaScript", "Python"):
            writing, reading = sides(writer, javascript, python)
            for id, data in expected["loadSession"].items():
                if data is None:
                    continue
                session = replace(golden.session(data), state="again", access_token="shpat_new")
                await writing.store_session(session)
                assert await reading.load_session(id) == arrives(backend.name, writer, session)
                assert id in await found_ids(reading, session.shop)


OTHERS = [
    pytest.param(backend, file, table, id=f"{backend.id}-{file.partition('/')[0]}")
    for backend in BACKENDS
    for file, table in backend.others.items()
]


@pytest.mark.parametrize(("backend", "file", "table"), OTHERS)
async def test_tables_of_prisma_and_drizzle_are_refused(backend, file, table, space):
    await space.restore(backend.data / file)
    storage = space.python(table=table)
    for attempt in (storage.ready(), storage.store_session(offline_session("shop"))):
        with pytest.raises(MigrationError, match=rf"the table {table} has another layout.*Prisma"):
            await attempt


# --- at the same moment ---------------------------------------------------------------------------


@pytest.mark.shows("both write to one shop at once, nothing that Python stored is lost")
async def test_both_write_at_once(backend, javascript, python):
    shop = unique("shop")
    ours = [online_session(shop, user) for user in range(100)]
    theirs = [online_session(shop, user) for user in range(100, 200)]

    async def write(storage, stored):
        for start in range(0, len(stored), 10):
            ten = stored[start : start + 10]
            await asyncio.gather(*map(storage.store_session, ten))
            await storage.delete_session(ten[0].id)

    def kept(stored):
        return {one.id for index, one in enumerate(stored) if index % 10}

    await asyncio.gather(write(python, ours), write(javascript, theirs))
    for storage in (python, javascript):
        for session in ours:
            loaded = await storage.load_session(session.id)
            assert session.equals(loaded) if session.id in kept(ours) else loaded is None
    for storage in (python, javascript):
        found = await found_ids(storage, shop)
        if backend.name in LOSING_LIST_ENTRIES:
            assert found <= kept(ours) | kept(theirs)
        elif backend.name in FINDING_25 and storage is javascript:
            assert len(found) == 25
            assert found < kept(ours) | kept(theirs)
        else:
            assert found == kept(ours) | kept(theirs)


WRITER = """
import asyncio, sys
from shopify_session_storage.testing.sessions import online_session
from shopify_session_storage_redis import RedisSessionStorage

async def main(url, prefix, shop, first):
    sessions = [online_session(shop, int(first) + number) for number in range(25)]
    async with RedisSessionStorage(url, session_key_prefix=prefix, on_error="raise") as storage:
        for start in range(0, 25, 5):
            await asyncio.gather(*map(storage.store_session, sessions[start : start + 5]))
            await storage.delete_session(sessions[start].id)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("backend", [REDIS], ids=["redis"])
async def test_seven_python_processes_and_javascript_write_to_one_shop(space, javascript, python):
    options, shop = space.javascript, unique("shop")
    arguments = [options["url"], options["prefix"], shop]
    writers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, *arguments, str(first), stderr=asyncio.subprocess.PIPE
        )
        for first in range(0, 175, 25)
    ]
    theirs = [online_session(shop, user) for user in range(175, 200)]
    writing = [asyncio.ensure_future(writer.communicate()) for writer in writers]
    while not all(task.done() for task in writing):
        await asyncio.gather(*map(javascript.store_session, theirs))
        await asyncio.gather(*(javascript.delete_session(one.id) for one in theirs[::5]))
    for task, writer in zip(writing, writers, strict=True):
        assert writer.returncode == 0, task.result()
    kept = {f"{shop}_{user}" for user in range(200) if user % 5}
    for id in (f"{shop}_{user}" for user in range(200)):
        assert (await python.load_session(id) is not None) == (id in kept)
    # JavaScript writes back the list as it was a moment ago: it drops entries, and brings others
    # back. Nothing else is wrong with it, and neither side finds what is not there.
    async with Redis.from_url(options["url"]) as client:
        entries = json.loads(await client.get(f"{options['prefix']}_{shop}"))
    assert len(entries) == len(set(entries))
    listed = {entry.removeprefix(f"{options['prefix']}_") for entry in entries}
    assert await found_ids(python, shop) == await found_ids(javascript, shop) == listed & kept
