"""One storage object on several event loops, in threads and in forked processes."""

import asyncio
import gc
import os
import signal
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from shopify_session_storage.session import Session
from shopify_session_storage.testing.assertions import PATIENCE_SECONDS, equal, same, together, true
from shopify_session_storage.testing.case import case
from shopify_session_storage.testing.sessions import offline_session, online_session, unique
from shopify_session_storage.testing.subject import Subject


@case("another_loop")
async def second_running_loop_is_served_or_refused(subject: Subject) -> None:
    """On a second running event loop, calls work or raise one clear RuntimeError."""
    storage = subject.storage
    shop, other_shop = subject.shop(), subject.shop()
    here, there = offline_session(shop), offline_session(other_shop)
    await subject.stores(here, there)
    refusals: set[str] = set()

    async def elsewhere() -> None:
        calls: list[tuple[str, Callable[[], Awaitable[Any]], Any]] = [
            ("store_session", lambda: storage.store_session(there), True),
            ("delete_session", lambda: storage.delete_session(unique("id")), True),
            ("delete_sessions", lambda: storage.delete_sessions([unique("id")]), True),
            ("compare_and_store", lambda: storage.compare_and_store(there, there), True),
            ("compare_and_delete", lambda: storage.compare_and_delete(_unstored(shop)), True),
            ("ready", storage.ready, None),
            ("disconnect", storage.disconnect, None),
        ]
        for name, call, served in calls:
            same(
                await _unless_refused(call, served, refusals),
                served,
                f"{name} on a second event loop",
            )
        loads = [
            _unless_refused(lambda: storage.load_session(there.id), there, refusals)
            for _ in range(10)
        ]
        for loaded in await together(loads):
            equal(loaded, there, "a load on a second event loop")
        true(isinstance(await storage.is_ready(), bool), "is_ready() has another answer")

    async def goes_on() -> None:
        while not second.done():
            await subject.stores(here)
            await subject.loads(here)

    with _left_connections_ignored():
        for _ in range(3):
            second = asyncio.ensure_future(asyncio.to_thread(asyncio.run, elsewhere()))
            try:
                await together(goes_on() for _ in range(4))
            finally:
                await second
        true(len(refusals) <= 1, f"the RuntimeError has several texts: {refusals}")
        await subject.finds(shop, [here])
        await subject.loads(there)


@case("another_loop")
async def new_loop_may_follow_one_that_has_ended(subject: Subject) -> None:
    """When an event loop has ended, the storage works on the next one, without disconnect()."""
    shop = subject.shop()
    sessions = [online_session(shop, user) for user in range(5)]
    await subject.storage.disconnect()

    async def work(session: Session) -> Session | None:
        await asyncio.gather(*(subject.storage.store_session(session) for _ in range(3)))
        return await subject.storage.load_session(session.id)

    with _left_connections_ignored():
        for session in sessions:
            loaded = await asyncio.to_thread(asyncio.run, work(session))
            equal(loaded, session, "a load on one of several event loops")
        await subject.finds(shop, sessions)
        await subject.loads(*sessions)


@case("another_loop")
async def threads_are_served_or_refused(subject: Subject) -> None:
    """In threads with event loops of their own, calls work or raise one clear RuntimeError."""
    shop = subject.shop()
    await subject.storage.disconnect()

    def work(thread: int) -> list[Session]:
        stored = []
        for turn in range(10):
            session = online_session(shop, 100 * thread + turn)
            if asyncio.run(_stored(subject, session)):
                stored.append(session)
        return stored

    with _left_connections_ignored():
        results = await together(asyncio.to_thread(work, thread) for thread in range(4))
        stored = [session for result in results for session in result]
        true(bool(stored), "no thread was served at all")
        await subject.finds(shop, stored)
        await subject.loads(*stored)


@case("another_loop", "processes")
async def forked_child_works(subject: Subject) -> None:
    """A forked child of a process whose event loop runs works, and does not disturb its parent."""
    shop = subject.shop()
    sessions = [online_session(shop, user) for user in range(10)]
    await together(subject.storage.store_session(session) for session in sessions)
    await _fork_and_work(subject, sessions)
    loads = [
        asyncio.ensure_future(subject.storage.load_session(session.id)) for session in sessions
    ]
    await asyncio.sleep(0)
    await _fork_and_work(subject, sessions)  # with calls under way
    for session, loaded in zip(sessions, await asyncio.gather(*loads), strict=True):
        equal(loaded, session, "a load under way while a child was forked")


async def _fork_and_work(subject: Subject, sessions: list[Session]) -> None:
    made_by_the_child = online_session(sessions[0].shop, 1000)
    await _in_a_child(partial(_as_a_child, subject, sessions, made_by_the_child))
    await subject.loads(made_by_the_child, *sessions)
    await subject.stores(sessions[0])
    await subject.storage.delete_session(made_by_the_child.id)
    await subject.finds(sessions[0].shop, sessions)


async def _as_a_child(subject: Subject, sessions: list[Session], session: Session) -> None:
    await subject.loads(*sessions)
    await subject.stores(session)
    await subject.loads(session)
    await subject.storage.disconnect()


async def _in_a_child(work: Callable[[], Awaitable[None]]) -> None:
    """Do *work* on a new event loop in a forked child, and check that it comes to its end."""
    reader, writer = os.pipe()
    child = _fork()
    if child == 0:
        answer = "works"
        try:
            asyncio.run(_with_an_end(work))
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
        finally:  # nothing of the parent's may be closed or finalized
            os.write(writer, answer.encode(errors="replace")[:4000])
            os._exit(0)
    os.close(writer)
    try:
        answer = await asyncio.to_thread(_read, reader)
    finally:
        _end(child)
    same(answer, "works", "what a forked child says")


def _fork() -> int:
    with warnings.catch_warnings():
        # Python warns of threads. Ours hold nothing that the child needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _end(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _read(reader: int) -> str:
    with os.fdopen(reader, "rb") as file:
        return file.read().decode(errors="replace")


async def _with_an_end(work: Callable[[], Awaitable[None]]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        await work()


async def _stored(subject: Subject, session: Session) -> bool:
    """Store a session, and tell whether it was not refused."""
    stored: bool = await _unless_refused(
        lambda: subject.storage.store_session(session), None, set()
    )
    if stored is not None:
        same(stored, True, "a store in a thread with an event loop of its own")
    return stored is not None


async def _unless_refused(
    call: Callable[[], Awaitable[Any]], refused: Any, refusals: set[str]
) -> Any:
    """Return the answer of a call, or *refused* if it is not to be had on this event loop."""
    try:
        return await call()
    except RuntimeError as error:
        true("event loop" in str(error), f"the RuntimeError does not tell why: {error}")
        refusals.add(str(error))
        return refused


def _unstored(shop: str) -> Session:
    return offline_session(shop, id=unique("unstored"))


@contextmanager
def _left_connections_ignored() -> Iterator[None]:
    """Ignore what drivers say of connections that are left when their event loop ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()
