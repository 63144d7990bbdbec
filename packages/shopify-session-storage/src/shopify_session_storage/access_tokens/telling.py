"""What subscribers hear of access tokens: how each request for one began and ended."""

from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Literal, TypeVar, cast

from shopify_session_storage.access_tokens.errors import (
    AccessTokenError,
    MalformedTokenResponse,
    ReauthorizationRequired,
    TokenRefreshUnavailable,
)
from shopify_session_storage.access_tokens.lease import Superseded
from shopify_session_storage.events import TokenEvent, TokenEventName, emit, is_watched
from shopify_session_storage.session import Session

_R = TypeVar("_R")


class Telling:
    """One refresh or exchange."""

    def __init__(self, what: Literal["refresh", "exchange"], session: Session) -> None:
        self._what = what
        self._session = session
        self._began = perf_counter()
        self._attempt = 0
        self._is_lost = False

    async def asking(self, request: Awaitable[_R]) -> _R:
        """Count a call of Shopify's package, which sends one request or more."""
        try:
            result = await request
        except TokenRefreshUnavailable as error:
            self._attempt += error.requests
            raise
        except Exception:
            self._attempt += 1
            raise
        self._attempt += 1
        return result

    def lost(self) -> None:
        """Say that somebody else has changed what is stored."""
        self._is_lost = True

    def began(self) -> None:
        """Tell that Shopify is about to be asked."""
        self._tell("start")

    def ended(self, error: BaseException | None) -> None:
        """Tell how it ended."""
        if error is None:
            self._tell("lost" if self._is_lost else "ok")
        elif isinstance(error, Superseded):
            self._tell("lost")
        elif isinstance(error, ReauthorizationRequired):
            self._tell("rejected", error)
        elif isinstance(error, TokenRefreshUnavailable):
            self._tell("transient", error)
        elif isinstance(error, MalformedTokenResponse):
            self._tell("malformed", error)
        else:
            self._tell("failed", error)

    def _tell(self, end: str, error: BaseException | None = None) -> None:
        if not is_watched():
            return
        name = end if end == "malformed" else f"{self._what}.{end}"
        emit(
            TokenEvent(
                cast("TokenEventName", name),
                self._session.shop,
                _mode(self._session),
                0.0 if end == "start" else perf_counter() - self._began,
                self._attempt,
                error.status if isinstance(error, AccessTokenError) else None,
                None if error is None else type(error).__name__,
            )
        )


@contextmanager
def telling(what: Literal["refresh", "exchange"], session: Session) -> Iterator[Telling]:
    """Tell how what is done inside begins and ends."""
    one = Telling(what, session)
    one.began()
    try:
        yield one
    except BaseException as error:
        one.ended(error)
        raise
    one.ended(None)


def tell_stale(session: Session) -> None:
    """Tell that a caller gets a token that is due but valid."""
    if is_watched():
        emit(TokenEvent("stale_served", session.shop, _mode(session)))


@contextmanager
def telling_reauthorization(mode: str) -> Iterator[None]:
    """Tell of a caller who hears that only a merchant can help."""
    try:
        yield
    except ReauthorizationRequired as error:
        if is_watched():
            event = TokenEvent(
                "reauthorization", error.shop or "", mode, status=error.status,
                error=type(error).__name__,
            )  # fmt: skip
            emit(event)
        raise


def _mode(session: Session) -> str:
    return "online" if session.is_online else "offline"
