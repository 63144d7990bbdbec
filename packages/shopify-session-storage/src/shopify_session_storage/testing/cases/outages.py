"""A backend that becomes unreachable for open storages, and comes back."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, Final, Literal

from shopify_session_storage.errors import SessionStorageError, SessionStorageUnavailableError
from shopify_session_storage.session import Session
from shopify_session_storage.storage import SessionStorage
from shopify_session_storage.testing.assertions import (
    Records,
    equal,
    no_token,
    raises,
    same,
    together,
    true,
)
from shopify_session_storage.testing.case import case
from shopify_session_storage.testing.cases.failures import five_calls
from shopify_session_storage.testing.sessions import offline_session, online_session, unique
from shopify_session_storage.testing.subject import Subject

_MODES: Final[tuple[Literal["log", "raise"], ...]] = ("log", "raise")


@case("failing", "breakable")
async def is_ready_tells_that_the_backend_is_away(subject: Subject) -> None:
    """While the backend is away, and only then, is_ready() is False and ready() raises."""
    for mode in _MODES:
        storage = await subject.breakable(mode)
        await storage.ready()
        same(await storage.is_ready(), True, "is_ready()")
        async with subject.away():
            same(await storage.is_ready(), False, "is_ready() while the backend is away")
            error = await raises(SessionStorageError, storage.ready, "ready(), no backend any more")
            true(error.__cause__ is not None, "the error of ready() has no cause")
        same(await storage.is_ready(), True, "is_ready() when the backend is back")
        await storage.ready()


@case("failing", "breakable")
async def calls_fail_by_the_policy_while_the_backend_is_away(subject: Subject) -> None:
    """While the backend is away, calls fail as on_error says, as if it had never been there."""
    session = offline_session(subject.shop())
    storage = await subject.breakable("log")
    await _store(storage, session)
    async with subject.away():
        for name, call, expected in five_calls(storage, session):
            with Records() as records:
                same(await call(), expected, f"{name} while the backend is away")
            true(
                any(record.levelno == logging.ERROR for record in records.all),
                f"{name} while the backend is away was not logged at ERROR",
            )
            for record in records.all:
                no_token(f"{record.getMessage()} {record.exc_text}", session, "a log record")
        await _insists(storage, session)
    storage = await subject.breakable("raise")
    await _store(storage, session)
    async with subject.away():
        for name, call, _ in five_calls(storage, session):
            error = await _unavailable(name, call, session)
            true(error.__cause__ is not None, f"the error of {name} has no cause")
        await _insists(storage, session)


@case("failing", "breakable")
async def works_again_when_the_backend_is_back(subject: Subject) -> None:
    """When the backend is back all calls work again, with all that was stored before."""
    for mode in _MODES:
        storage = await subject.breakable(mode)
        shop = subject.shop()
        kept = [online_session(shop, user) for user in range(20)]
        await together(_store(storage, session) for session in kept)
        async with subject.away():
            same(await storage.is_ready(), False, "is_ready() while the backend is away")
            for _, call, _ in five_calls(storage, offline_session(shop)):
                if mode == "log":
                    await call()
                else:
                    await raises(SessionStorageUnavailableError, call, "a call without a backend")
        await _works(subject, storage, shop, kept)


@case("failing", "breakable")
async def lost_connections_are_replaced(subject: Subject) -> None:
    """If the backend was away between two calls, both succeed: connections are replaced."""
    storage = await subject.breakable("raise")
    shop = subject.shop()
    kept = [online_session(shop, user) for user in range(20)]
    await together(_store(storage, session) for session in kept)  # opens several connections
    for _ in range(3):
        async with subject.away():
            pass
        await _works(subject, storage, shop, kept)


async def _works(subject: Subject, storage: SessionStorage, shop: str, kept: list[Session]) -> None:
    what = "when the backend is back"
    for session, loaded in zip(
        kept, await together(storage.load_session(session.id) for session in kept), strict=True
    ):
        equal(loaded, session, f"a load {what}")
    new = offline_session(shop)
    await _store(storage, new)
    await subject.finds(shop, [*kept, new], by=storage)
    newer = replace(new, access_token=unique("token"))
    same(await storage.compare_and_store(newer, new), True, f"compare_and_store() {what}")
    same(await storage.compare_and_delete(new), False, f"compare_and_delete() {what}")
    same(await storage.compare_and_delete(newer), True, f"compare_and_delete() {what}")
    same(await storage.delete_session(new.id), True, f"delete_session {what}")
    name = unique("lease")
    acquired = await storage.acquire_lease(name, "holder", timedelta(minutes=1))
    same(acquired, True, f"acquire_lease {what}")
    await storage.release_lease(name, "holder")


async def _store(storage: SessionStorage, session: Session) -> None:
    same(await storage.store_session(session), True, f"store_session({session.id!r})")


async def _insists(storage: SessionStorage, session: Session) -> None:
    """Check the calls that raise whatever ``on_error`` says."""
    await _unavailable("compare", partial(storage.compare_and_store, session, session), session)
    await _unavailable("delete", partial(storage.compare_and_delete, session), session)
    if storage.leases == "backend":
        acquire = partial(storage.acquire_lease, "name", "holder", timedelta(minutes=1))
        await _unavailable("acquire_lease", acquire, session)


async def _unavailable(
    name: str, call: Callable[[], Awaitable[Any]], session: Session
) -> Exception:
    what = f"{name} while the backend is away"
    error = await raises(SessionStorageUnavailableError, call, what)
    chain: BaseException | None = error
    while chain is not None:
        no_token(f"{chain!r} {vars(chain)!r}", session, f"the error of {what}")
        chain = chain.__cause__ or chain.__context__
    return error
