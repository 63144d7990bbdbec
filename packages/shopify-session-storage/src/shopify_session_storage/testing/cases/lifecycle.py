"""Opening, closing, and several storages on one backend."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from shopify_session_storage.session import Session
from shopify_session_storage.storage import SessionStorage
from shopify_session_storage.testing.assertions import equal, same, together, true
from shopify_session_storage.testing.case import case
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage.testing.subject import Subject


@case()
async def ready_is_optional_and_repeatable(subject: Subject) -> None:
    """ready() may be called at any time and more than once, and is_ready() is True then."""
    await subject.storage.ready()
    await together([subject.storage.ready(), subject.storage.ready(), subject.storage.ready()])
    same(await subject.storage.is_ready(), True, "is_ready()")


@case()
async def disconnected_storage_can_be_used_again(subject: Subject) -> None:
    """disconnect() may be called at any time and more than once; the storage opens again."""
    session = offline_session(subject.shop())
    await subject.stores(session)
    await subject.storage.disconnect()
    await subject.storage.disconnect()
    await subject.loads(session)
    await together([subject.storage.disconnect(), subject.storage.disconnect()])
    async with subject.storage as entered:
        true(entered is subject.storage, "async with gave another object")
        await subject.loads(session)
    await subject.loads(session)


@case()
async def disconnect_waits_for_calls_under_way(subject: Subject) -> None:
    """Calls that were made before disconnect() are completed."""
    shop = subject.shop()
    sessions = [online_session(shop, user) for user in range(20)]
    stores = [asyncio.ensure_future(subject.storage.store_session(session)) for session in sessions]
    await asyncio.sleep(0)
    await subject.storage.disconnect()
    same(await asyncio.gather(*stores), [True] * 20, "stores under way at disconnect()")
    await subject.finds(shop, sessions)


@case("another_loop")
async def works_on_another_event_loop(subject: Subject) -> None:
    """After disconnect() the storage works on another event loop, and then on the first again."""
    session = offline_session(subject.shop())
    await subject.stores(session)
    await subject.storage.disconnect()

    async def elsewhere() -> Session | None:
        async with _disconnecting(subject.storage):
            return await subject.storage.load_session(session.id)

    loaded = await asyncio.to_thread(asyncio.run, elsewhere())
    equal(loaded, session, "a load on another event loop")
    await subject.loads(session)


@case("further")
async def first_calls_may_come_together(subject: Subject) -> None:
    """A storage that was just made serves many first calls at once, without ready()."""
    session = offline_session(subject.shop())
    await subject.stores(session)
    fresh = await subject.further()
    for loaded in await together(fresh.load_session(session.id) for _ in range(20)):
        equal(loaded, session, "one of many first calls")


@case("further")
async def several_storages_may_start_together(subject: Subject) -> None:
    """Several storages that start on one backend at the same moment all work."""
    shop = subject.shop()
    storages = [await subject.further() for _ in range(8)]
    sessions = [online_session(shop, user) for user in range(8)]
    results = await together(
        storage.store_session(session) for storage, session in zip(storages, sessions, strict=True)
    )
    same(results, [True] * 8, "the first store of each of 8 storages")
    await subject.finds(shop, sessions)


@case("further")
async def storages_on_one_backend_share_sessions(subject: Subject) -> None:
    """What one storage stores, replaces or deletes, another one on the same backend sees."""
    other = await subject.further()
    session = offline_session(subject.shop())
    await subject.stores(session)
    await subject.loads(session, by=other)
    newer = replace(session, access_token="newer")
    same(await other.store_session(newer), True, "store_session of the other storage")
    await subject.loads(newer)
    await subject.finds(session.shop, [newer], by=other)
    await subject.storage.delete_session(session.id)
    same(await other.load_session(session.id), None, "what the first storage deleted")
    await subject.finds(session.shop, [], by=other)


@case("further")
async def two_writers_for_one_shop_lose_nothing(subject: Subject) -> None:
    """Two storages that store and delete for one shop at the same moment lose no update."""
    writers = [subject.storage, await subject.further()]
    shop = subject.shop()
    sessions = [online_session(shop, user) for user in range(40)]
    await together(
        writers[number % 2].store_session(session) for number, session in enumerate(sessions)
    )
    await subject.finds(shop, sessions)
    await together(
        writers[number % 2].delete_session(session.id)
        for number, session in enumerate(sessions[:20])
    )
    await subject.finds(shop, sessions[20:], by=writers[1])


@case("further")
async def sessions_outlive_the_storage(subject: Subject) -> None:
    """Sessions are still there after disconnect(), for a storage made later."""
    session = online_session(subject.shop())
    await subject.stores(session)
    await subject.storage.disconnect()
    await subject.loads(session, by=await subject.further())


@asynccontextmanager
async def _disconnecting(storage: SessionStorage) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await storage.disconnect()
