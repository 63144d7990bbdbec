"""What one side stores, the other one reads, on every backend.

The official JavaScript adapters run in Node. Each test that has a row in the matrix of
``README.md`` names it.
"""

import golden
import pytest
from hypothesis import HealthCheck, given, settings
from interop.app_tables import APP_TABLES
from interop.backends import BACKENDS
from interop.differences import (
    DIFFERENCES,
    arrives,
)
from interop.packages import HERE

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
