"""When Shopify is asked about a session, and when it is left alone."""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from shopify_session_storage.access_tokens.errors import (
    MalformedTokenResponse,
    ReauthorizationRequired,
    ShopUnavailable,
    TokenRefreshUnavailable,
)
from shopify_session_storage.access_tokens.lease import Lease
from shopify_session_storage.access_tokens.sessions import still_valid
from shopify_session_storage.session import Session

_ATTEMPTS: Final = 3
_FIRST_PAUSE: Final = 0.2
_LONGEST_REST: Final = 60.0


@dataclass
class _Rest:
    """How long Shopify is left alone about one session, after failures, and what the last one said.

    Attributes:
        failures: How many there were in a row.
        until: When it ends.
        kind: What callers get until then.
        status: The HTTP status of Shopify's answer, if there was one.
    """

    failures: int
    until: float
    kind: type[TokenRefreshUnavailable]
    status: int | None


class Asking:
    """What one process has learnt from Shopify's failures and rejections, by session id.

    Args:
        longest_pause: For how many seconds a lease is held at most while Shopify is left alone.
    """

    def __init__(self, longest_pause: float) -> None:
        self._longest_pause = longest_pause
        self._rests: dict[str, _Rest] = {}
        # By session id, what Shopify has rejected for good.
        self._rejected: dict[str, str | None] = {}

    async def ask(
        self, lease: Lease, current: Session, call: Callable[[], Coroutine[Any, Any, Session]]
    ) -> Session:
        """Ask Shopify, a few times if that may help. No connection to the database is held."""
        attempts = _ATTEMPTS
        while True:
            unavailable: TokenRefreshUnavailable
            try:
                new = await call()
            except MalformedTokenResponse as error:
                self._note_failure(current.id, None, status=error.status)
                raise
            except TokenRefreshUnavailable as error:
                unavailable = error
                attempts -= error.requests  # Shopify's package tries again by itself
            else:
                self._rests.pop(current.id, None)
                return new
            pause = _FIRST_PAUSE * 2 ** (_ATTEMPTS - attempts) * random.uniform(0.25, 1)  # noqa: S311
            wanted = unavailable.retry_after
            if wanted is not None:
                pause += wanted.total_seconds()
            if not unavailable.requests:  # the endpoint is left alone: not about this shop
                unavailable.access_token = still_valid(current)
                raise unavailable
            if attempts <= 0 or pause > self._longest_pause:
                self._note_failure(current.id, wanted, type(unavailable), unavailable.status)
                unavailable.access_token = still_valid(current)
                raise unavailable
            await asyncio.sleep(pause)
            await lease.renew()

    def check(self, session: Session) -> None:
        """See that Shopify may be asked for what follows *session*.

        Raises:
            ReauthorizationRequired: If it has refused already.
            TokenRefreshUnavailable: If it is left alone for now; of the kind that it gave last.
        """
        self.check_not_rejected(session)
        if left := self.rest(session.id):
            rest = self._rests[session.id]
            raise rest.kind(
                "Shopify gave no access token a moment ago",
                shop=session.shop,
                status=rest.status,
                access_token=still_valid(session),
                retry_after=timedelta(seconds=left),
            )

    def check_not_rejected(self, session: Session) -> None:
        """Raise ReauthorizationRequired if Shopify has refused already what is stored."""
        if self.is_rejected(session):
            raise ReauthorizationRequired("Shopify has rejected what is stored", shop=session.shop)

    def rest(self, id: str) -> float:
        """Return for how many seconds Shopify is to be left alone about a session."""
        rest = self._rests.get(id)
        return 0.0 if rest is None else max(0.0, rest.until - time.monotonic())

    def is_rejected(self, session: Session) -> bool:
        """Tell whether it is known already that Shopify will not take the refresh token."""
        # Its own expiry proves nothing: the local clock may be wrong, and asking once is cheap.
        return session.id in self._rejected and self._rejected[session.id] == _credential(session)

    def reject(self, session: Session) -> None:
        """Note that Shopify does not take the refresh token of *session*, and never will."""
        self._rejected[session.id] = _credential(session)

    def forget(self, id: str) -> None:
        """Begin anew with a session, because it has other tokens now."""
        self._rests.pop(id, None)
        self._rejected.pop(id, None)

    def merchant_is_there(self, id: str) -> None:
        """Ask about a session again if its shop was closed: it is open, a merchant is in it."""
        rest = self._rests.get(id)
        if rest is not None and rest.kind is ShopUnavailable:
            del self._rests[id]

    def _note_failure(
        self,
        id: str,
        wanted: timedelta | None,
        kind: type[TokenRefreshUnavailable] = TokenRefreshUnavailable,
        status: int | None = None,
    ) -> None:
        failures = self._rests[id].failures + 1 if id in self._rests else 1
        seconds = min(_LONGEST_REST, 2.0 ** min(failures, 10) / 2) * random.uniform(0.5, 1)  # noqa: S311
        if wanted is not None:
            seconds = max(seconds, wanted.total_seconds())
        self._rests[id] = _Rest(failures, time.monotonic() + seconds, kind, status)


def _credential(session: Session) -> str | None:
    """Return what the next access token is got with."""
    return session.refresh_token or session.access_token
