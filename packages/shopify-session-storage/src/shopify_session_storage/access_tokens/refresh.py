"""A new pair in place of the stored one, got by one process at a time.

1. Take the lease of the session, and read the session again: somebody may have been faster.
2. Ask Shopify for the pair that follows the stored one, holding no connection to the database.
3. Renew the lease. Past its deadline it is lost, whatever the backend says: somebody may have had
   it meanwhile, and may have been given another pair in place of ours.
4. Store the new pair by comparison, in place of the one that it follows, and release the lease.
   Who loses the comparison uses the newer pair that won; if nothing is stored any more, the shop
   has uninstalled, and the new pair is dropped.

Nobody uses a new pair before it is stored. So whoever dies or stalls between 2 and 4 leaves the old
pair in place, and Shopify takes that again: it answers with the same pair or a newer one, and both
are right for whoever asked last.

Who has lost the lease with a new pair in hand (3) begins anew and asks again. Should Shopify then
reject the old refresh token, which is still stored, nobody can have got another pair for it: ours
is the one that counts, and is stored under the new lease. Without that, a Shopify that takes each
refresh token once would lose a shop with each process that stalls.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Final

from shopify_session_storage.access_tokens.asking import Asking
from shopify_session_storage.access_tokens.calls import Endpoint, RefreshTokenRejected
from shopify_session_storage.access_tokens.errors import (
    ReauthorizationRequired,
    TokenRefreshUnavailable,
)
from shopify_session_storage.access_tokens.lease import Lease, Leases, Superseded, pauses
from shopify_session_storage.access_tokens.sessions import Sessions, persist, usable
from shopify_session_storage.access_tokens.telling import Telling, telling
from shopify_session_storage.session import Session
from shopify_session_storage.stored import has_same_tokens

_logger: Final = logging.getLogger("shopify_session_storage.access_tokens")

# After a rejection: whoever replaced the refresh token may be about to store what they got.
_GRACE: Final = 0.25
_MIGRATIONS: Final = 3


@dataclass
class _InHand:
    """What Shopify has issued and is not stored, because the lease was lost."""

    new: Session | None = None
    follows: Session | None = None

    def put(self, new: Session, follows: Session) -> None:
        self.new, self.follows = new, follows

    def to_store(self, current: Session | None) -> Session | None:
        """Return what follows *current*, if it is in hand."""
        return self.new if has_same_tokens(self.follows, current) else None


class Refresher:
    """Refreshes what is stored, and migrates tokens that never expire."""

    def __init__(
        self, sessions: Sessions, leases: Leases, asking: Asking, endpoint: Endpoint
    ) -> None:
        self._sessions = sessions
        self._leases = leases
        self._asking = asking
        self._endpoint = endpoint

    async def refresh(self, seen: Session, refused: str | None = None) -> Session | None:
        """Return the session that follows *seen*, whoever got it; None if it was deleted.

        Args:
            seen: What was stored when the caller read it.
            refused: Its access token, if Shopify has refused it: then it will not do though it is
                not due.
        """
        hand = _InHand()
        lost: Session | None = None
        lease = self._leases.of(seen.id)
        deadline = time.monotonic() + self._leases.patience
        for pause in pauses():
            if await lease.acquire():
                try:
                    return await self._refresh_alone(lease, hand, refused)
                except Superseded:
                    if hand.new is not lost:
                        # However long this process was stopped, what it holds is to be stored.
                        lost = hand.new
                        deadline = time.monotonic() + self._leases.patience
                finally:
                    await lease.release()
            elif hand.new is None and usable(seen, refused):
                return seen  # somebody else is at it, and nobody waits
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(pause)
            session = await self._sessions.read(seen.id)
            if session is None:
                return None
            if usable(session, refused) and hand.to_store(session) is None:
                return session
        raise TokenRefreshUnavailable(
            "another process is refreshing the access token", shop=seen.shop
        )

    async def _refresh_alone(
        self, lease: Lease, hand: _InHand, refused: str | None
    ) -> Session | None:
        current = await self._sessions.read(lease.name)
        if current is None or not self._sessions.due(current, refused):
            return current
        self._asking.check(current)
        with telling("refresh", current) as one:
            return await self._ask_and_commit(lease, hand, current, one)

    async def _ask_and_commit(
        self, lease: Lease, hand: _InHand, current: Session, one: Telling
    ) -> Session | None:
        status: int | None = None
        new: Session | None

        async def renew() -> Session:
            return await one.asking(self._endpoint.renew(current))

        try:
            new = await self._asking.ask(lease, current, renew)
        except RefreshTokenRejected as rejected:
            status = rejected.status
            new = hand.to_store(current)
        if new is not None:
            hand.put(new, current)
            return await self._commit(new, current, lease, one)
        # It proves nothing until the store has been read again.
        for pause in (0, _GRACE):
            await asyncio.sleep(pause)
            if not has_same_tokens(await self._sessions.read(current.id), current):
                raise Superseded
        self._asking.reject(current)
        raise ReauthorizationRequired(
            "Shopify rejects the refresh token", shop=current.shop, status=status
        )

    async def migrate(self, seen: Session) -> Session | None:
        """Return what replaces *seen*, which never expires; None if that does not stand there."""
        hand = _InHand()
        for _ in range(_MIGRATIONS):
            async with self._leases.held(seen.id, seen.shop) as lease:
                try:
                    return await self._migrate_alone(lease, hand)
                except Superseded:
                    pass
        raise TokenRefreshUnavailable("somebody else changes the access token", shop=seen.shop)

    async def _migrate_alone(self, lease: Lease, hand: _InHand) -> Session | None:
        current = await self._sessions.read(lease.name)
        if current is None or current.expires is not None:
            return None
        self._asking.check_not_rejected(current)
        await self._sessions.check_fits(current)
        with telling("refresh", current) as one:
            return await self._ask_to_migrate(lease, hand, current, one)

    async def _ask_to_migrate(
        self, lease: Lease, hand: _InHand, current: Session, one: Telling
    ) -> Session | None:
        async def migrate() -> Session:
            return await one.asking(self._endpoint.migrate(current))

        try:
            new = await self._asking.ask(lease, current, migrate)
        except ReauthorizationRequired:
            in_hand = hand.to_store(current)
            if in_hand is None:
                self._asking.reject(current)
                raise
            new = in_hand
        hand.put(new, current)
        return await self._commit(new, current, lease, one)

    async def _commit(
        self, new: Session, current: Session, lease: Lease, one: Telling
    ) -> Session | None:
        """Store *new* in place of *current*, or return the newer one that won.

        Until it is stored, nobody gets it: as long as the new refresh token was never used,
        Shopify takes the old one again, so whoever comes next recovers if this fails for good.
        """

        async def write() -> bool:
            await lease.renew()
            return await self._sessions.storage.compare_and_store(new, current)

        # For about half the time of the lease, so that nobody has asked again meanwhile.
        if not await persist(write, self._leases.ttl.total_seconds() / 2):
            stored = await self._sessions.read(new.id)
            # A write whose answer was lost may have taken place all the same.
            if not has_same_tokens(stored, new):
                if stored is None or usable(stored):
                    one.lost()
                    return stored
                raise Superseded
        self._asking.forget(new.id)
        _logger.info("%s: refreshed the access token", new.shop)
        return new
