"""An access token for an ID token, got by one process at a time.

1. Take the lease of the session, enter the present era of the shop (:mod:`.fence`), and read what
   is stored: somebody may have been faster.
2. Ask Shopify. An exchange ends all earlier pairs of the shop.
3. Renew the lease, and see that the shop has not uninstalled meanwhile.
4. Store by comparison, in place of what was read in 1, or where nothing was. Who loses it does not
   know which of both pairs Shopify issued last, and asks again: then it is the own one.
5. See once more that the shop has not uninstalled; else remove what was stored.

If the shop has uninstalled, the request that brought the ID token is answered so that the browser
comes with a new one, if the app is installed again. If the webhook is one that says *when* the shop
uninstalled, it may concern an earlier install; then Shopify is asked again, and decides.
"""

import logging
from contextlib import suppress
from typing import Final, TypeGuard

from shopify_session_storage.access_tokens.asking import Asking
from shopify_session_storage.access_tokens.calls import Endpoint
from shopify_session_storage.access_tokens.errors import (
    MalformedTokenResponse,
    TokenRefreshUnavailable,
)
from shopify_session_storage.access_tokens.fence import Era, Fence, Uninstalled, UninstalledBefore
from shopify_session_storage.access_tokens.lease import Lease, Leases, Superseded
from shopify_session_storage.access_tokens.sessions import Sessions, persist
from shopify_session_storage.access_tokens.telling import Telling, telling
from shopify_session_storage.encryption.cipher import DecryptionError
from shopify_session_storage.errors import CorruptSessionError
from shopify_session_storage.session import Session
from shopify_session_storage.stored import has_same_tokens

_logger: Final = logging.getLogger("shopify_session_storage.access_tokens")

_EXCHANGES: Final = 4


class Exchanger:
    """Exchanges ID tokens, and stores what they give."""

    def __init__(
        self, sessions: Sessions, leases: Leases, fence: Fence, asking: Asking, endpoint: Endpoint
    ) -> None:
        self._sessions = sessions
        self._leases = leases
        self._fence = fence
        self._asking = asking
        self._endpoint = endpoint

    async def exchange(
        self, id: str, shop: str, mode: str, verified: object, refused: str | None = None
    ) -> Session:
        """Return the session that *verified* is worth, stored; or one that was faster.

        Args:
            id: Whose session it is.
            shop: The shop's full domain.
            mode: ``"offline"`` or ``"online"``.
            verified: The result of ``verify_app_home_req()`` or a similar method.
            refused: An access token that will not do, because Shopify has refused it.

        Raises:
            Uninstalled: If the shop has uninstalled the app meanwhile.
        """
        outrun = False
        for _ in range(_EXCHANGES):
            async with self._leases.held(id, shop) as lease:
                era = await self._fence.enter(shop)
                with suppress(UninstalledBefore):  # Shopify decides
                    try:
                        current, readable = await self._load(id)
                        # Somebody else's, stored while this call waited for the lease.
                        if not outrun and self._will_do(current, refused):
                            return current
                        subject = current or Session(
                            id=id, shop=shop, state="", is_online=mode == "online"
                        )
                        await self._sessions.check_fits(subject)
                        with telling("exchange", subject) as one:
                            new = await self._ask(lease, subject, mode, verified, one)
                            if await self._store(new, current, readable, lease, era):
                                return new
                            one.lost()
                        outrun = True
                    except Superseded:
                        # By whoever has had the lease since: another exchange, or an uninstall.
                        await era.check()
        raise TokenRefreshUnavailable("others keep changing the access token", shop=shop)

    def _will_do(self, session: Session | None, refused: str | None) -> TypeGuard[Session]:
        return (
            session is not None
            and bool(session.access_token)
            and not self._sessions.due(session, refused)
        )

    async def _ask(
        self, lease: Lease, subject: Session, mode: str, verified: object, one: Telling
    ) -> Session:
        async def exchange() -> Session:
            return await one.asking(self._endpoint.exchange(subject.shop, mode, verified))

        new = await self._asking.ask(lease, subject, exchange)
        if new.id != subject.id:
            raise MalformedTokenResponse(
                "the access token is another user's", shop=new.shop, fields=("associated_user",)
            )
        return new

    async def _store(
        self, new: Session, current: Session | None, readable: bool, lease: Lease, era: Era
    ) -> bool:
        """Store *new* in place of *current*, and tell whether nobody was faster."""

        async def write() -> bool:
            await lease.renew()
            await era.check()
            if readable:
                return await self._sessions.storage.compare_and_store(new, current)
            if (await self._load(new.id))[1]:
                return False  # somebody has replaced what could not be read
            await self._sessions.store(new)
            return True

        # For about half the time of the lease, so that nobody has asked again meanwhile.
        stored = await persist(write, self._leases.ttl.total_seconds() / 2)
        # A write whose answer was lost may have taken place all the same.
        if not stored and not has_same_tokens((await self._load(new.id))[0], new):
            await era.check()  # it was an uninstall, perhaps
            await lease.renew()  # or somebody who has had the lease since, and asked later
            return False
        try:
            await era.check()
        except (Uninstalled, UninstalledBefore):
            await self._sessions.storage.compare_and_delete(new)
            raise
        self._asking.forget(new.id)
        return True

    async def _load(self, id: str) -> tuple[Session | None, bool]:
        """Return what is stored, and whether it can be read."""
        try:
            return await self._sessions.load(id), True
        except DecryptionError:
            raise  # a process with another key may read it
        except CorruptSessionError as error:
            # No reason to lock out a merchant who is there with a valid ID token.
            _logger.warning("exchanging an ID token: %s", error)
            return None, False
