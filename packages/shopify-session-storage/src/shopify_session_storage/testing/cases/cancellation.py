"""Callers that give up: they return at once, and spoil nothing."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

from shopify_session_storage.testing import assertions
from shopify_session_storage.testing.assertions import same, tick, true
from shopify_session_storage.testing.case import case
from shopify_session_storage.testing.sessions import offline_session, unique
from shopify_session_storage.testing.subject import Subject


@case()
async def callers_time_limit_ends_a_call(subject: Subject) -> None:
    """A caller's asyncio.timeout() or cancel() ends any call at once; the storage works on."""
    storage = subject.storage
    session = offline_session(subject.shop())
    name, minute = unique("lease"), timedelta(minutes=1)
    calls: list[tuple[str, Callable[[], Awaitable[Any]]]] = [
        ("store_session", lambda: storage.store_session(session)),
        ("load_session", lambda: storage.load_session(session.id)),
        ("find_sessions_by_shop", lambda: storage.find_sessions_by_shop(session.shop)),
        ("compare_and_store", lambda: storage.compare_and_store(session, session)),
        ("compare_and_delete", lambda: storage.compare_and_delete(session)),
        ("delete_session", lambda: storage.delete_session(session.id)),
        ("delete_sessions", lambda: storage.delete_sessions([session.id, unique("id")])),
        ("acquire_lease", lambda: storage.acquire_lease(name, "holder", minute)),
        ("release_lease", lambda: storage.release_lease(name, "holder")),
        ("ready", storage.ready),
        ("is_ready", storage.is_ready),
    ]
    for what, call in calls:
        for seconds in (0.0, 0.001, 0.005):
            started = time.monotonic()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await call()
            _promptly(what, time.monotonic() - started - seconds)
        for ticks in range(8):
            task = asyncio.ensure_future(call())
            await tick(ticks)
            started = time.monotonic()
            task.cancel()
            await asyncio.wait([task])
            _promptly(what, time.monotonic() - started)
    await storage.release_lease(name, "holder")
    await subject.stores(session)
    await subject.loads(session)
    await subject.finds(session.shop, [session])


@case()
async def cancelled_stores_do_not_come_late(subject: Subject) -> None:
    """A cancelled store never overwrites what a later store has acknowledged."""
    session = offline_session(subject.shop())
    kept = []
    for ticks in range(12):
        await subject.stores(session)
        cancelled = [
            asyncio.ensure_future(
                subject.storage.store_session(replace(session, access_token=unique("cancelled")))
            )
            for _ in range(1 + ticks % 3)
        ]
        await tick(ticks)
        for store in cancelled:
            store.cancel()
        last = replace(session, access_token=unique("last"))
        await subject.stores(last)
        await subject.loads(last)
        await asyncio.gather(*cancelled, return_exceptions=True)
        await subject.loads(last)
        kept.append(last)
        session = offline_session(subject.shop())
    await asyncio.sleep(0.1)
    await subject.loads(*kept)


@case("further")
async def cancelled_start_can_be_repeated(subject: Subject) -> None:
    """A start that is cancelled at any moment leaves nothing half open, and can be repeated."""
    session = offline_session(subject.shop())
    await subject.stores(session)
    storage = await subject.further()
    for ticks in (0, 1, 2, 3, 5, 8, 13, 21, 34, 55):
        await storage.disconnect()
        start = asyncio.ensure_future(storage.ready())
        await tick(ticks)
        start.cancel()
        await asyncio.gather(start, return_exceptions=True)
        if ticks % 2:
            await storage.disconnect()
        await subject.loads(session, by=storage)
        same(await storage.store_session(session), True, "a store after a cancelled start")
        await subject.stores(session)  # nor is another storage locked out
    await storage.ready()
    same(await storage.is_ready(), True, "is_ready() after cancelled starts")


def _promptly(what: str, seconds: float) -> None:
    late = f"{what} went on for {seconds:.1f} s after its caller had given up"
    true(seconds < assertions.PROMPT_SECONDS, late)
