"""What a storage on a real server bears: cut connections, cancelled callers, another event loop."""

import asyncio
import gc
import warnings
from collections.abc import Callable, Sequence

from shopify_session_storage import Session, SessionStorage
from shopify_session_storage.testing.sessions import offline_session, online_session, unique

from servers.proxy import Proxy

_SHOP = "disturbed.myshopify.com"


async def travel_together(storage: SessionStorage, proxy: Proxy) -> None:
    """Store and load 200 sessions at once, and count the round trips.

    Three where all goes well; more where groups of stores have deadlocked, or the machine is busy.
    """
    many = [online_session(_SHOP, user) for user in range(200)]
    for _ in range(3):  # opens connections, prepares statements
        await asyncio.gather(*map(storage.store_session, many))
        await _load(storage, many)
    proxy.reset()
    await asyncio.gather(*map(storage.store_session, many))
    assert proxy.round_trips <= 10
    proxy.reset()
    _check(many, await _load(storage, many))
    assert proxy.round_trips <= 10


async def bear_cuts(storage: SessionStorage, cut: Callable[[], None], times: int = 5) -> None:
    """Call on while connections are cut between the calls: no caller hears of it."""
    shop = unique("shop")  # other tests may share the table
    many = [online_session(shop, user) for user in range(30)]
    await asyncio.gather(*map(storage.store_session, many))
    for _ in range(times):
        await asyncio.gather(*(storage.find_sessions_by_shop(shop) for _ in range(3)))
        cut()
        _check(many, await _load(storage, many))
        cut()
        assert all(await asyncio.gather(*map(storage.store_session, many)))
        cut()
        assert len(await storage.find_sessions_by_shop(shop)) == len(many)
        cut()
        assert await storage.delete_session(many[0].id) is True
        assert await storage.load_session(many[0].id) is None
        await storage.store_session(many[0])


async def bear_cancellations(storage: SessionStorage, times: int = 150) -> None:
    """Cancel some of many loads and finds at every moment: the others get their own answers."""
    many = [offline_session(f"{number}.example") for number in range(20)]
    await asyncio.gather(*map(storage.store_session, many))
    for turn in range(times):
        tasks = [asyncio.ensure_future(storage.load_session(one.id)) for one in many]
        finds = [asyncio.ensure_future(storage.find_sessions_by_shop(o.shop)) for o in many[:3]]
        if turn % 2:
            await asyncio.sleep(turn % 50 / 10_000)
        for _ in range(turn % 37):
            await asyncio.sleep(0)
        for task in [*tasks, *finds][:: 1 + turn % 3]:
            task.cancel()
        loaded = await asyncio.gather(*tasks, return_exceptions=True)
        for one, result in zip(many, loaded, strict=True):
            assert isinstance(result, asyncio.CancelledError) or one.equals(result)
        found = await asyncio.gather(*finds, return_exceptions=True)
        for one, sessions in zip(many, found, strict=False):
            if not isinstance(sessions, BaseException):
                _check([one], sessions)
            else:
                assert isinstance(sessions, asyncio.CancelledError)
        one = many[turn % len(many)]
        assert one.equals(await storage.load_session(one.id))


async def keep_the_order(storage: SessionStorage, times: int = 60) -> None:
    """Cancel a store at every moment: it never overtakes the next one of its session."""
    await storage.store_session(offline_session(_SHOP))
    for turn in range(times):
        older, newer = offline_session(_SHOP), offline_session(_SHOP)
        task = asyncio.ensure_future(storage.store_session(older))
        if turn % 2:
            await asyncio.sleep(turn % 12 / 2000)
        for _ in range(turn % 12):
            await asyncio.sleep(0)
        task.cancel()
        following = asyncio.ensure_future(storage.store_session(newer))
        await asyncio.gather(task, return_exceptions=True)
        assert await following is True
        await asyncio.sleep(0.001)
        assert newer.equals(await storage.load_session(newer.id))


def follow_to_a_new_loop(storage: SessionStorage) -> None:
    """Use a storage on a second event loop, without a disconnect on the first one."""
    session = offline_session(_SHOP)
    assert asyncio.run(storage.store_session(session)) is True

    async def load() -> Session | None:
        async with storage:
            return await storage.load_session(session.id)

    with warnings.catch_warnings():
        # Of the connections of the loop that ended. To record it would keep them alive.
        warnings.simplefilter("ignore", ResourceWarning)
        loaded = asyncio.run(load())
        gc.collect()
    assert session.equals(loaded)


async def _load(storage: SessionStorage, sessions: Sequence[Session]) -> list[Session | None]:
    return await asyncio.gather(*(storage.load_session(session.id) for session in sessions))


def _check(sessions: Sequence[Session], loaded: Sequence[Session | None]) -> None:
    assert all(one.equals(other) for one, other in zip(sessions, loaded, strict=True))
