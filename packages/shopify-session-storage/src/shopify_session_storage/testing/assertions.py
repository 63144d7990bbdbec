"""What cases check with. Each raises an AssertionError that says how a promise is broken."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from shopify_session_storage.session import Session

_T = TypeVar("_T")

# How long to wait for the end of a lease of some milliseconds; longer than any machine may need.
PATIENCE_SECONDS = 20.0

# How long a call may go on after its caller has given up; longer than any machine may need.
PROMPT_SECONDS = 5.0

# How long to wait for the end of what is cancelled.
_GRACE_SECONDS = 1.0


def true(condition: bool, broken: str) -> None:
    """Check a condition; *broken* says how the promise is broken."""
    if not condition:
        raise AssertionError(broken)


def same(actual: object, expected: object, what: str) -> None:
    """Check that two values are equal and of one type."""
    if actual != expected or type(actual) is not type(expected):
        raise AssertionError(f"{what}: expected {expected!r}, got {actual!r}")


def equal(actual: object, expected: Session, what: str) -> None:
    """Check that a session is what was stored. The error shows no token."""
    if not isinstance(actual, Session):
        raise AssertionError(f"{what}: expected a Session, got {actual!r}")
    if not actual.equals(expected):
        wanted = dict(expected.to_property_array(return_user_data=True))
        got = dict(actual.to_property_array(return_user_data=True))
        differing = sorted(key for key in {*wanted, *got} if wanted.get(key) != got.get(key))
        shown = [
            key if "Token" in key else f"{key} (expected {wanted.get(key)!r}, got {got.get(key)!r})"
            for key in differing
        ]
        raise AssertionError(f"{what}: the session differs in {', '.join(shown)}")


def no_token(text: str, session: Session, where: str) -> None:
    """Check that neither token of *session* is in *text*."""
    for token in (session.access_token, session.refresh_token):
        true(token is None or token not in text, f"{where} shows a token")


async def raises(
    expected: type[Exception], call: Callable[[], Awaitable[Any]], what: str
) -> Exception:
    """Check that a call raises, and return its error."""
    try:
        result = await call()
    except expected as error:
        return error
    except Exception as error:
        raise AssertionError(
            f"{what}: expected {expected.__name__}, got {type(error).__name__}: {error}"
        ) from error
    raise AssertionError(f"{what}: expected {expected.__name__}, but it returned {result!r}")


async def within(seconds: float, work: Awaitable[None]) -> None:
    """Await *work* until its time is over, even if it does not end when it is cancelled.

    If a call in it is cancelled by nobody, that is a failure like others.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task], timeout=seconds)
        late = not task.done()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=_GRACE_SECONDS)
            if task.done() and not task.cancelled():
                task.exception()  # says less than that it came late
    true(not late, f"ran into its time limit ({seconds:g} s)")
    true(not task.cancelled(), "a call was cancelled, though nobody had cancelled it")
    task.result()


async def together(calls: Iterable[Awaitable[_T]]) -> list[_T]:
    """Await calls that are under way at the same time."""
    return list(await asyncio.gather(*calls))


async def until(call: Callable[[], Awaitable[bool]], what: str) -> None:
    """Call until it is True."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not await call():
        true(time.monotonic() < deadline, f"{what} is not to be had")
        await asyncio.sleep(0.01)


async def tick(number: int) -> None:
    """Let the event loop turn so many times."""
    for _ in range(number):
        await asyncio.sleep(0)


class Records(logging.Handler):
    """Collects what is logged under ``shopify_session_storage``, at every level."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.all: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.all.append(record)

    def __enter__(self) -> "Records":
        self._logger = logging.getLogger("shopify_session_storage")
        self._level = self._logger.level
        self._logger.setLevel(logging.DEBUG)
        self._logger.addHandler(self)
        return self

    def __exit__(self, *exception: object) -> None:
        self._logger.removeHandler(self)
        self._logger.setLevel(self._level)
