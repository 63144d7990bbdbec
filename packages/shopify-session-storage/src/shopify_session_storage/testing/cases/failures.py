"""What a failure of the backend looks like."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, Literal

from shopify_session_storage.errors import (
    InvalidSessionError,
    SessionStorageError,
    SessionStorageUnavailableError,
)
from shopify_session_storage.session import Session
from shopify_session_storage.storage import SessionStorage
from shopify_session_storage.testing.assertions import (
    Records,
    no_token,
    raises,
    same,
    true,
)
from shopify_session_storage.testing.case import case
from shopify_session_storage.testing.sessions import offline_session, online_session, unique
from shopify_session_storage.testing.subject import Subject


@case("failing")
async def failures_are_logged_by_default(subject: Subject) -> None:
    """With on_error="log" a failure is logged at ERROR and gives False, None or an empty list."""
    storage = await subject.failing("log")
    session = offline_session(subject.shop())
    for name, call, expected in five_calls(storage, session):
        with Records() as records:
            same(await call(), expected, f"{name} without a backend")
        true(
            any(record.levelno == logging.ERROR for record in records.all),
            f"{name} without a backend was not logged at ERROR under shopify_session_storage",
        )
    same(await storage.delete_sessions([]), True, "delete_sessions of nothing")


@case("failing")
async def failures_can_be_raised(subject: Subject) -> None:
    """With on_error="raise" a failure is a SessionStorageUnavailableError with its cause."""
    storage = await subject.failing("raise")
    session = offline_session(subject.shop())
    for name, call, _ in five_calls(storage, session):
        error = await raises(SessionStorageUnavailableError, call, f"{name} without a backend")
        true(error.__cause__ is not None, f"the error of {name} has no cause")


@case("failing")
async def ready_tells_the_failure(subject: Subject) -> None:
    """ready() raises a SessionStorageError whatever on_error says; is_ready() is False."""
    modes: Sequence[Literal["log", "raise"]] = ("log", "raise")
    for mode in modes:
        storage = await subject.failing(mode)
        error = await raises(SessionStorageError, storage.ready, "ready() without a backend")
        true(error.__cause__ is not None, "the error of ready() has no cause")
        same(await storage.is_ready(), False, "is_ready() without a backend")
        await storage.disconnect()


@case("failing")
async def bad_arguments_raise_before_anything_is_sent(subject: Subject) -> None:
    """Bad arguments raise TypeError or ValueError even if the backend cannot be reached."""
    storage: Any = await subject.failing("log")
    await raises(TypeError, lambda: storage.load_session(None), "load_session(None)")
    await raises(TypeError, lambda: storage.delete_sessions("id"), "delete_sessions('id')")
    await raises(ValueError, lambda: storage.find_sessions_by_shop(""), "an empty shop")
    bad = offline_session(subject.shop(), access_token="nul\0")
    await raises(InvalidSessionError, lambda: storage.store_session(bad), "an invalid session")


@case("failing")
async def comparing_and_leasing_raise_failures(subject: Subject) -> None:
    """A failed comparison, or a failed lease of the backend, raises whatever on_error says."""
    session = offline_session(subject.shop())
    modes: Sequence[Literal["log", "raise"]] = ("log", "raise")
    for mode in modes:
        storage = await subject.failing(mode)
        calls: list[tuple[str, Callable[[], Awaitable[Any]]]] = [
            ("expecting nothing", partial(storage.compare_and_store, session, None)),
            ("expecting a session", partial(storage.compare_and_store, session, session)),
            ("compare_and_delete", partial(storage.compare_and_delete, session)),
        ]
        if storage.leases == "backend":
            acquire = partial(storage.acquire_lease, "name", "holder", timedelta(minutes=1))
            release = partial(storage.release_lease, "name", "holder")
            calls += [("acquire_lease", acquire), ("release_lease", release)]
        for what, call in calls:
            error = await raises(SessionStorageUnavailableError, call, f"{what}, no backend")
            chain: BaseException | None = error
            while chain is not None:
                no_token(f"{chain!r} {vars(chain)!r}", session, f"the error of {what}")
                chain = chain.__cause__ or chain.__context__


@case("failing")
async def comparing_and_leasing_check_their_arguments(subject: Subject) -> None:
    """Bad arguments of comparisons and of leases raise even without a backend."""
    storage: Any = await subject.failing("log")
    shop = subject.shop()
    session = offline_session(shop)
    second = timedelta(seconds=1)
    for what, call in (
        ("a dict as the session", lambda: storage.compare_and_store(session.to_dict(), session)),
        ("a dict as what is expected", lambda: storage.compare_and_store(session, {})),
        ("a dict to delete", lambda: storage.compare_and_delete(session.to_dict())),
        ("None as a name", lambda: storage.acquire_lease(None, "holder", second)),
        ("bytes as a holder", lambda: storage.acquire_lease("name", b"holder", second)),
        ("a number as the time", lambda: storage.acquire_lease("name", "holder", 1)),
        ("None as a name to release", lambda: storage.release_lease(None, "holder")),
    ):
        await raises(TypeError, call, what)
    bad = replace(session, access_token="nul\0")
    for what, call in (
        ("an invalid session", lambda: storage.compare_and_store(bad, None)),
        ("an invalid expected one", lambda: storage.compare_and_store(session, bad)),
        ("an invalid one to delete", lambda: storage.compare_and_delete(bad)),
        (
            "two ids",
            lambda: storage.compare_and_store(session, online_session(shop)),
        ),
    ):
        await raises(InvalidSessionError, call, what)
    for what, call in (
        ("no name", lambda: storage.acquire_lease("", "holder", second)),
        ("a long name", lambda: storage.acquire_lease("é" * 251, "holder", second)),
        ("NUL in the holder", lambda: storage.acquire_lease("name", "nul\0", second)),
        ("no time", lambda: storage.acquire_lease("name", "holder", timedelta(0))),
        ("no name to release", lambda: storage.release_lease("", "holder")),
        ("no holder to release", lambda: storage.release_lease("name", "")),
    ):
        await raises(ValueError, call, what)


@case("failing")
async def failures_show_no_token(subject: Subject) -> None:
    """No log record and no error carries a token, whatever happens."""
    session = offline_session(
        subject.shop(), access_token=unique("shpat"), refresh_token=unique("shprt")
    )
    with Records() as records:
        await subject.stores(session)
        await subject.loads(session)
        logging_storage = await subject.failing("log")
        await logging_storage.store_session(session)
        raising_storage = await subject.failing("raise")
        for name, call, _ in five_calls(raising_storage, session):
            error = await raises(SessionStorageError, call, name)
            chain: BaseException | None = error
            while chain is not None:
                no_token(f"{chain!r} {chain} {vars(chain)!r}", session, f"the error of {name}")
                chain = chain.__cause__ or chain.__context__
        bad = replace(session, state="nul\0")
        error = await raises(
            InvalidSessionError, lambda: subject.storage.store_session(bad), "an invalid session"
        )
        no_token(f"{error!r}", session, "the error of an invalid session")
    for record in records.all:
        no_token(
            f"{record.getMessage()} {record.args!r} {record.exc_text}", session, "a log record"
        )
    no_token(repr(session), session, "repr() of a session")


def five_calls(
    storage: SessionStorage, session: Session
) -> list[tuple[str, Callable[[], Awaitable[Any]], Any]]:
    """Return the five calls by name, each with what it gives when failures are logged."""
    return [
        ("store_session", lambda: storage.store_session(session), False),
        ("load_session", lambda: storage.load_session(session.id), None),
        ("delete_session", lambda: storage.delete_session(session.id), False),
        ("delete_sessions", lambda: storage.delete_sessions([session.id]), False),
        ("find_sessions_by_shop", lambda: storage.find_sessions_by_shop(session.shop), []),
    ]
