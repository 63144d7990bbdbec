"""A new pair in place of the stored one, got by one process at a time."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from shopify_session_storage.access_tokens.asking import Asking
from shopify_session_storage.access_tokens.calls import Endpoint, RefreshTokenRejected
from shopify_session_storage.access_tokens.errors import (
    ReauthorizationRequired,
    TokenRefreshUnavailable,
)
from shopify_session_storage.access_tokens.lease import Lease, Leases, Superseded, pauses
from shopify_session_storage.access_tokens.sessions import Sessions, persist, usable
from shopify_session_storage.session import Session
from shopify_session_storage.stored import has_same_tokens

_logger: Final = logging.getLogger("shopify_session_storage.access_tokens")

# After a rejection: whoever replaced the refresh token may be about to store what they got.
_GRACE: Final = 0.25


class Refresher:
    """Refreshes what is stored, and migrates tokens that never expire."""

    def __init__(
        self, sessions: Sessions, leases: Leases, asking: Asking, endpoint: Endpoint
    ) -> None:
        self._sessions = sessions
        self._leases = leases
        self._asking = asking
        self._endpoint = endpoint

    async def refresh(self, seen: Session) -> Session | None:
        """Return the session that follows *seen*, whoever got it; None if it was deleted."""
        lease = self._leases.of(seen.id)
        deadline = time.monotonic() + self._leases.patience
        for pause in pauses():
            if await lease.acquire():
                try:
                    return await self._refresh_alone(lease)
                except Superseded:
                    pass
                finally:
                    await lease.release()
            elif usable(seen):
                return seen  # somebody else is at it, and nobody waits
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(pause)
            session = await self._sessions.read(seen.id)
            if session is None or usable(session):
                return session
        raise TokenRefreshUnavailable(
            "another process is refreshing the access token", shop=seen.shop
        )

    async def _refresh_alone(self, lease: Lease) -> Session | None:
        current = await self._sessions.read(lease.name)
        if current is None or not self._sessions.due(current):
            return current
        self._asking.check(current)
        try:
            new = await self._asking.ask(lease, current, lambda: self._endpoint.renew(current))
        except RefreshTokenRejected:
            new = None
        if new is not None:
            return await self._commit(new, current, lease)
        # It proves nothing until the store has been read again.
        for pause in (0, _GRACE):
            await asyncio.sleep(pause)
            if not has_same_tokens(await self._sessions.read(current.id), current):
                raise Superseded
        self._asking.reject(current)
        raise ReauthorizationRequired("Shopify rejects the refresh token", shop=current.shop)

    async def migrate(self, seen: Session) -> Session | None:
        """Return what replaces *seen*, which never expires; None if that does not stand there."""
        lease = self._leases.of(seen.id)
        await self._leases.acquire(lease, seen.shop)
        try:
            current = await self._sessions.read(seen.id)
            if current is None or current.expires is not None:
                return None
            call: Callable[[], Coroutine[Any, Any, Session]]
            call = lambda: self._endpoint.migrate(current)  # noqa: E731
            return await self._commit(await self._asking.ask(lease, current, call), current, lease)
        except Superseded:
            pass
        finally:
            await lease.release()
        raise TokenRefreshUnavailable("somebody else changes the access token", shop=seen.shop)

    async def _commit(self, new: Session, current: Session, lease: Lease) -> Session | None:
        """Store *new* in place of *current*, or return the newer one that won.

        Until it is stored, nobody gets it: as long as the new refresh token was never used,
        Shopify takes the old one again, so whoever comes next recovers if this fails for good.
        """

        async def write() -> bool:
            # A process that was suspended for longer than its lease must not store what it got
            # before somebody else asked again.
            await lease.renew()
            return await self._sessions.storage.compare_and_store(new, current)

        # For about half the time of the lease, so that nobody has asked again meanwhile.
        if not await persist(write, self._leases.ttl.total_seconds() / 2):
            stored = await self._sessions.read(new.id)
            # A write whose answer was lost may have taken place all the same.
            if not has_same_tokens(stored, new):
                if stored is None or usable(stored):
                    return stored
                raise Superseded
        self._asking.forget(new.id)
        _logger.info("%s: refreshed the access token", new.shop)
        return new
