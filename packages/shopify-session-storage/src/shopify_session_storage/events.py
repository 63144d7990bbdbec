"""Events: what happens in storages and to access tokens, for whoever subscribes."""

import logging
from asyncio import CancelledError
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType
from typing import Final, Literal, Self, TypeAlias

from shopify_session_storage.forking import mutex

Outcome: TypeAlias = Literal["ok", "miss", "lost", "corrupt", "failed", "cancelled"]
TokenEventName: TypeAlias = Literal[
    "refresh.start",
    "refresh.ok",
    "refresh.lost",
    "refresh.transient",
    "refresh.rejected",
    "refresh.failed",
    "exchange.start",
    "exchange.ok",
    "exchange.lost",
    "exchange.transient",
    "exchange.rejected",
    "exchange.failed",
    "malformed",
    "stale_served",
    "reauthorization",
]

_logger: Final = logging.getLogger("shopify_session_storage.events")


@dataclass(frozen=True, slots=True)
class StorageCall:
    """A call of a storage has ended.

    Attributes:
        backend: Its backend, such as ``"postgresql"``.
        operation: ``"load"``, ``"store"``, ``"delete"``, ``"find"``, ``"compare_and_store"``,
            ``"compare_and_delete"``, ``"scan"`` for each page, ``"acquire_lease"``,
            ``"release_lease"``, ``"check_fits"``, ``"ready"`` or ``"migration_sql"``; ``"purge"``
            for what a purge does besides scans and deletes, and ``"look"`` when the command
            ``shopify-sessions`` examines the storage.
        outcome: ``"ok"``; ``"miss"``: nothing is stored; ``"lost"``: somebody else won the
            comparison or has the lease; ``"corrupt"``: what is stored cannot be read; ``"failed"``:
            the backend failed, also if the storage only logs that; ``"cancelled"``: the caller gave
            up.
        seconds: How long it took, from the caller's point of view.
        group_size: How many calls travelled together; 0 if it was never sent.
        error: The class of the error, if there was one.
    """

    backend: str
    operation: str
    outcome: Outcome
    seconds: float
    group_size: int
    error: str | None


@dataclass(frozen=True, slots=True)
class TokenEvent:
    """Something has happened to an access token.

    Attributes:
        name: ``"refresh.start"``: Shopify is about to be asked for new tokens. One of these
            follows: ``"refresh.ok"``: they are stored; ``"refresh.lost"``: somebody else has
            changed what is stored, and their version stays; ``"refresh.transient"``: Shopify gives
            no token right now; ``"refresh.rejected"``: Shopify does not accept the refresh token;
            ``"malformed"``: its answer is not complete; ``"refresh.failed"``: anything else, such
            as a storage that fails. ``"exchange.start"`` and so on: the same for an ID token.
            ``"stale_served"``: a caller got a token that is due for a refresh but still valid.
            ``"reauthorization"``: a caller was told that only a merchant can help.
        shop: The shop's domain.
        mode: ``"offline"`` or ``"online"``.
        seconds: How long the refresh or exchange took; 0 where there was none.
        attempt: How many requests were sent to Shopify for it, as far as is known.
        status: The HTTP status of Shopify's last answer, if that was a failure.
        error: The class of the error, if there was one.
    """

    name: TokenEventName
    shop: str
    mode: str
    seconds: float = 0.0
    attempt: int = 0
    status: int | None = None
    error: str | None = None


Event: TypeAlias = StorageCall | TokenEvent


class _Subscriber:
    """A callback, and whether it has raised before."""

    def __init__(self, callback: Callable[[Event], object]) -> None:
        self._callback = callback
        self._has_raised = False

    def tell(self, event: Event) -> None:
        try:
            self._callback(event)
        except Exception:
            if not self._has_raised:
                self._has_raised = True
                _logger.exception("a subscriber has raised an error; this is logged once")


# Replaced as a whole, so that other threads see the old ones or the new ones.
_subscribers: tuple[_Subscriber, ...] = ()


def subscribe(callback: Callable[[Event], object]) -> Callable[[], None]:
    """Call *callback* with each event in this process, until the function returned is called.

    It is called in the thread and event loop where the event happens, and everything there waits
    for it, so it must not block. What it raises is logged once, and has no other effect. No event
    holds a token; some hold a shop's domain.

    Args:
        callback: A function of one argument, a :class:`StorageCall` or a :class:`TokenEvent`.

    Returns:
        A function that ends the subscription. Calling it again does nothing.

    Raises:
        TypeError: If *callback* cannot be called.
    """
    global _subscribers
    if not callable(callback):
        raise TypeError(f"callback must be callable, not {type(callback).__name__}")
    subscriber = _Subscriber(callback)
    with mutex():
        _subscribers = (*_subscribers, subscriber)

    def unsubscribe() -> None:
        global _subscribers
        with mutex():
            _subscribers = tuple(one for one in _subscribers if one is not subscriber)

    return unsubscribe


def is_watched() -> bool:
    """Tell whether anybody has subscribed."""
    return bool(_subscribers)


def emit(event: Event) -> None:
    """Tell all subscribers."""
    for subscriber in _subscribers:
        subscriber.tell(event)


class Watch:
    """A call of a storage that somebody hears of when it ends.

    Attributes:
        group_size: How many calls have travelled together.
    """

    __slots__ = ("_backend", "_began", "_error", "_operation", "_outcome", "group_size")

    def __init__(self, backend: str, operation: str) -> None:
        self._backend = backend
        self._operation = operation
        self._outcome: Outcome = "ok"
        self._error: str | None = None
        self.group_size = 0

    def __enter__(self) -> Self:
        self._began = perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None and self._outcome == "ok":
            self._outcome = "cancelled" if issubclass(kind, CancelledError) else "failed"
            self._error = kind.__name__
        seconds = perf_counter() - self._began
        emit(
            StorageCall(
                self._backend, self._operation, self._outcome, seconds, self.group_size, self._error
            )
        )

    def came_to(self, outcome: Outcome, error: BaseException | None = None) -> None:
        """Say what came of the call, if it is not ``"ok"``."""
        self._outcome = outcome
        self._error = None if error is None else type(error).__name__


class _NobodysWatch(Watch):
    """Of a call that nobody hears of."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def came_to(self, outcome: Outcome, error: BaseException | None = None) -> None:
        pass


NOBODYS: Final = _NobodysWatch("", "")


def watching(backend: str, operation: str) -> Watch:
    """Return the watch of a call; costs next to nothing while nobody has subscribed."""
    return Watch(backend, operation) if _subscribers else NOBODYS
