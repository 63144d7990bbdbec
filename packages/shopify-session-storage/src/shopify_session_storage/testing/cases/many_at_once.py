"""Many calls at once do not disturb each other."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace

from shopify_session_storage.testing.assertions import equal, same, tick, together, true
from shopify_session_storage.testing.case import case
from shopify_session_storage.testing.sessions import offline_session, online_session, unique
from shopify_session_storage.testing.subject import Subject


@case()
async def concurrent_stores_for_one_shop_are_all_kept(subject: Subject) -> None:
    """Many stores for one shop at once: all of them are kept and found."""
    shop = subject.shop()
    sessions = [online_session(shop, user) for user in range(20)]
    results = await together(subject.storage.store_session(session) for session in sessions)
    same(results, [True] * 20, "the results of 20 stores at once")
    await subject.finds(shop, sessions)


@case()
async def concurrent_stores_and_deletes_lose_nothing(subject: Subject) -> None:
    """Stores and deletes for one shop at once: exactly what was stored and not deleted is left."""
    shop = subject.shop()
    old = [online_session(shop, user) for user in range(20)]
    new = [online_session(shop, user) for user in range(100, 120)]
    await together(subject.storage.store_session(session) for session in old)
    calls: list[Awaitable[bool]] = []
    for one, other in zip(old, new, strict=True):
        calls += [
            subject.storage.delete_session(one.id),
            subject.storage.store_session(other),
        ]
    await together(calls)
    await subject.finds(shop, new)
    await together(
        [
            subject.storage.delete_sessions(session.id for session in new[:7]),
            subject.storage.delete_sessions(session.id for session in new[7:14]),
            *(subject.storage.store_session(session) for session in old[:5]),
        ]
    )
    await subject.finds(shop, [*new[14:], *old[:5]])


@case()
async def concurrent_stores_of_one_id_keep_one_whole(subject: Subject) -> None:
    """Many stores of one id at once: one of the sessions is kept, as a whole, and found once."""
    shop = subject.shop()
    versions = [
        offline_session(shop, state=str(number), scope=f"scope_{number}", access_token=f"{number}")
        for number in range(20)
    ]
    results = await together(subject.storage.store_session(version) for version in versions)
    same(results, [True] * 20, "the results of 20 stores at once")
    loaded = await subject.storage.load_session(versions[0].id)
    true(
        loaded is not None and any(loaded.equals(version) for version in versions),
        f"what is kept is a mixture: {loaded!r}",
    )
    assert loaded is not None
    await subject.finds(shop, [loaded])


@case()
async def concurrent_loads_get_their_own_session(subject: Subject) -> None:
    """Many loads at once: each gets the session of its id, and an unknown id gets None."""
    shops = [subject.shop() for _ in range(30)]
    sessions = [offline_session(shop) for shop in shops]
    await together(subject.storage.store_session(session) for session in sessions)
    ids = [session.id for session in sessions]
    asked = [*ids, *(unique("unknown") for _ in range(10)), *reversed(ids)]
    loaded = await together(subject.storage.load_session(id) for id in asked)
    by_id = {session.id: session for session in sessions}
    for id, session in zip(asked, loaded, strict=True):
        if id in by_id:
            equal(session, by_id[id], f"load_session({id!r}) among many")
        else:
            same(session, None, "an unknown session among many")


@case()
async def loads_see_what_was_stored_before(subject: Subject) -> None:
    """A load that begins after a store has ended sees it, however many loads are under way."""
    session = offline_session(subject.shop(), state="0")
    await subject.stores(session)
    finished = asyncio.Event()

    async def crowd() -> None:
        while not finished.is_set():
            await subject.storage.load_session(session.id)
            await asyncio.sleep(0)

    others = [asyncio.ensure_future(crowd()) for _ in range(8)]
    try:
        for version in range(1, 15):
            session = replace(session, state=str(version))
            await tick(version)  # each time at another moment of the reads under way
            await subject.stores(session)
            await subject.loads(session)
        await subject.storage.delete_session(session.id)
        same(await subject.storage.load_session(session.id), None, "a deleted session")
    finally:
        finished.set()
        await asyncio.gather(*others)


@case()
async def cancelled_callers_disturb_nobody(subject: Subject) -> None:
    """Callers that are cancelled, or run out of time, spoil nothing for the others."""
    for ticks in (1, 2, 4):  # before they are sent, and on the way
        shop = subject.shop()
        sessions = [online_session(shop, user) for user in range(40)]
        stores = [
            asyncio.ensure_future(subject.storage.store_session(session)) for session in sessions
        ]
        await tick(ticks)
        for store in stores[::4]:
            store.cancel()
        stored = await asyncio.gather(*stores, return_exceptions=True)
        for number, outcome in enumerate(stored):
            if number % 4:
                same(outcome, True, "a store beside cancelled ones")
        loads = [
            asyncio.ensure_future(subject.storage.load_session(session.id)) for session in sessions
        ]
        await tick(ticks)
        for load in loads[::4]:
            load.cancel()
        loaded = await asyncio.gather(*loads, return_exceptions=True)
        for number, result in enumerate(loaded):
            if number % 4:
                what = "a load beside cancelled ones"
                true(not isinstance(result, BaseException), f"{what}: {result!r}")
                equal(result, sessions[number], what)
        await subject.stores(*sessions[::4])
        await subject.finds(shop, sessions)
