"""An access token for an ID token, got by one process at a time."""

from shopify_session_storage.access_tokens.asking import Asking
from shopify_session_storage.access_tokens.calls import Endpoint
from shopify_session_storage.access_tokens.errors import (
    MalformedTokenResponse,
    TokenRefreshUnavailable,
)
from shopify_session_storage.access_tokens.lease import Leases, Superseded
from shopify_session_storage.access_tokens.sessions import Sessions, persist
from shopify_session_storage.session import Session


class Exchanger:
    """Exchanges ID tokens, and stores what they give."""

    def __init__(
        self, sessions: Sessions, leases: Leases, asking: Asking, endpoint: Endpoint
    ) -> None:
        self._sessions = sessions
        self._leases = leases
        self._asking = asking
        self._endpoint = endpoint

    async def exchange(self, id: str, shop: str, mode: str, verified: object) -> Session:
        """Return the session that *verified* is worth, stored; or one that was faster."""
        lease = self._leases.of(id)
        await self._leases.acquire(lease, shop)
        try:
            current = await self._sessions.read(id)
            if current is not None and not self._sessions.due(current):
                return current  # somebody else's, stored while this call waited
            subject = current or Session(id=id, shop=shop, state="", is_online=mode == "online")
            new = await self._asking.ask(
                lease, subject, lambda: self._endpoint.exchange(shop, mode, verified)
            )
            if new.id != id:
                raise MalformedTokenResponse(
                    "the access token is another user's", shop=shop, fields=("associated_user",)
                )

            async def store() -> bool:
                await lease.renew()
                # Not compared: an exchange ends all earlier refresh tokens, so it wins.
                await self._sessions.store(new)
                self._asking.forget(id)
                return True

            # For about half the time of the lease, so that nobody has asked again meanwhile.
            await persist(store, self._leases.ttl.total_seconds() / 2)
            return new
        except Superseded:
            pass
        finally:
            await lease.release()
        raise TokenRefreshUnavailable("another process is exchanging an ID token", shop=shop)
