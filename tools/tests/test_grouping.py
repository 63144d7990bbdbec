"""Calls that have to wait travel together, on the real server of every backend."""

import asyncio
from collections import Counter

import pytest
import pytest_asyncio
from interop.backends import BACKENDS
from shopify_session_storage.testing.sessions import offline_session, online_session, unique

pytestmark = pytest.mark.asyncio
CALLERS = 64


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.name)
def backend(request):
    return request.param


@pytest_asyncio.fixture
async def storage(backend, request, tmp_path):
    url = request.getfixturevalue(backend.fixture) if backend.fixture else ""
    async with backend.space(url, tmp_path) as space, space.python() as storage:
        yield storage


@pytest.fixture
def groups(storage, monkeypatch):
    """Return what each hook has been given so far, by its name."""
    given = {}

    def watch(name):
        hook, given[name] = getattr(storage, name), []

        def watched(values):
            given[name].append([getattr(value, "id", value) for value in values])
            return hook(values)

        monkeypatch.setattr(storage, name, watched)

    for name in ("_load", "_store", "_delete", "_find"):
        watch(name)
    return given


def most_groups(storage, calls):
    """Return how many groups so many calls at once may make.

    The first goes alone, and the last ones spread over the places that become free.
    """
    return 3 * storage.max_groups + -(-calls // storage.max_group_items)


async def stored(storage, count=CALLERS):
    shop = unique("shop")
    sessions = [online_session(shop, user) for user in range(count)]
    await asyncio.gather(*map(storage.store_session, sessions))
    return sessions


async def test_loads_leave_in_order_and_few_groups_and_nobody_gets_anothers_session(
    storage, groups
):
    sessions = await stored(storage)
    loaded = await asyncio.gather(*(storage.load_session(one.id) for one in sessions))
    assert [one.access_token for one in loaded] == [one.access_token for one in sessions]
    assert [id for group in groups["_load"] for id in group] == [one.id for one in sessions]
    assert len(groups["_load"]) <= most_groups(storage, CALLERS)


async def test_stores_and_deletes_leave_in_few_groups_sorted_by_id(storage, groups):
    sessions = await stored(storage)
    assert all(await asyncio.gather(*(storage.delete_session(one.id) for one in sessions)))
    for name in ("_store", "_delete"):
        assert all(group == sorted(group) for group in groups[name])
        sent = Counter(id for group in groups[name] for id in group)
        assert sent == Counter(one.id for one in sessions)
        assert len(groups[name]) <= most_groups(storage, CALLERS)
    assert await storage.find_sessions_by_shop(sessions[0].shop) == []


async def test_finds_of_many_shops_leave_in_few_groups(storage, groups):
    sessions = [offline_session(unique("shop")) for _ in range(CALLERS)]
    await asyncio.gather(*map(storage.store_session, sessions))
    found = await asyncio.gather(*(storage.find_sessions_by_shop(one.shop) for one in sessions))
    assert [[one.id for one in many] for many in found] == [[one.id] for one in sessions]
    assert len(groups["_find"]) <= storage.max_groups + -(-CALLERS // storage.max_group_shops) + 1


async def test_loads_of_one_session_share_reads_but_never_one_that_began_before(storage, groups):
    (session,) = await stored(storage, 1)
    loads = [storage.load_session(session.id) for _ in range(CALLERS)]
    loaded = await asyncio.gather(*loads)
    assert all(session.equals(one) for one in loaded)
    assert len({id(one) for one in loaded}) == CALLERS
    assert len(groups["_load"]) <= storage.max_groups + 1
    for version in range(10):
        session.state = f"{version}"
        earlier = [asyncio.ensure_future(storage.load_session(session.id)) for _ in range(8)]
        await storage.store_session(session)
        later = await asyncio.gather(*(storage.load_session(session.id) for _ in range(8)))
        assert all(one.state == session.state for one in later)
        await asyncio.gather(*earlier)


async def test_of_many_stores_of_one_session_the_last_is_kept_and_all_are_acknowledged(
    storage, groups
):
    shop = unique("shop")
    versions = [offline_session(shop, state=f"{number}") for number in range(CALLERS)]
    assert all(await asyncio.gather(*map(storage.store_session, versions)))
    assert versions[-1].equals(await storage.load_session(versions[0].id))
    assert len(groups["_store"]) == 2


async def test_who_is_cancelled_disturbs_nobody(storage):
    sessions = await stored(storage)
    for version in range(3):
        for session in sessions:
            session.state = f"{version}"
        stores = [asyncio.ensure_future(storage.store_session(one)) for one in sessions]
        loads = [asyncio.ensure_future(storage.load_session(one.id)) for one in sessions]
        for _ in range(version * 2):
            await asyncio.sleep(0)
        for task in (*stores[::3], *loads[::3]):
            task.cancel()
        results = await asyncio.gather(*stores, *loads, return_exceptions=True)
        for index, result in enumerate(results[:CALLERS]):
            assert result is True or (index % 3 == 0 and isinstance(result, asyncio.CancelledError))
        for index, result in enumerate(results[CALLERS:]):
            if index % 3:
                assert result.id == sessions[index].id
        for index, session in enumerate(sessions):
            if index % 3:
                assert session.equals(await storage.load_session(session.id))


async def test_groups_are_bounded_in_number_and_size(storage, groups):
    shop = unique("shop")
    small = [online_session(shop, user) for user in range(2 * storage.max_group_items // 10)]
    big = [online_session(shop, user + 10_000, scope="x" * 100_000) for user in range(12)]
    await asyncio.gather(*map(storage.store_session, [*small, *big]))
    assert len(await storage.find_sessions_by_shop(shop)) == len(small) + len(big)
    ids = {one.id for one in big}
    for group in groups["_store"]:
        assert len(group) <= storage.max_group_items
        assert len(ids.intersection(group)) * 100_000 <= max(storage.max_group_bytes, 100_000)
