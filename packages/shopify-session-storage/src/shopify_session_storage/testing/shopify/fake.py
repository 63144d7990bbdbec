"""Shopify's token endpoint for tests: the rules, behind a real HTTP server on a local port."""

import threading
from collections import Counter, defaultdict, deque
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from shopify_session_storage.access_tokens.arguments import shop_domain, shop_name
from shopify_session_storage.testing.shopify.clients import client_for, sync_client_for
from shopify_session_storage.testing.shopify.id_tokens import claims_of, sign
from shopify_session_storage.testing.shopify.rules import TokenRules
from shopify_session_storage.testing.shopify.server import Fault, Server, handler

if TYPE_CHECKING:
    import httpx


class FakeShopify(TokenRules):
    """Answers in place of ``https://{shop}.myshopify.com/admin/oauth/access_token``.

    The rules: an access token lives 60 minutes, a refresh token 90 days; a refresh gives a new
    pair, and the old access token lives on until its own expiry; the old refresh token may be
    retried until the new one is first used, at most 30 days; a new install or exchange ends all
    earlier tokens of the shop at once, and so does an uninstall. Queries to the Admin API are
    answered with the shop's name if the access token is good, else with 401. Thread-safe.

    Args:
        client_id: The app's; others are refused.
        client_secret: The app's; also signs ID tokens.
        retry: Whether an old refresh token that is retried gets the ``"same"`` pair again or a
            ``"new"`` one, in place of the one before, or none: ``"strict"``. Shopify documents that
            it may be retried, and not what comes.
        scope: What every token is good for.

    Attributes:
        url: Where the server listens, from ``with`` on.
        requests: How many requests for tokens each shop (by full domain) has sent.
        grants: How many of them, by shop, gave tokens.
    """

    def __init__(
        self,
        client_id: str = "client-id",
        client_secret: str = "a-client-secret-that-is-long-enough",  # noqa: S107  # opens nothing
        *,
        retry: Literal["same", "new", "strict"] = "same",
        scope: str = "read_orders,write_products",
    ) -> None:
        super().__init__(client_id, client_secret, retry, scope)
        self.url = ""
        self.requests: Counter[str] = Counter()
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._stalled: defaultdict[str, threading.Event] = defaultdict(threading.Event)
        self._server: Server | None = None

    def __enter__(self) -> Self:
        server = Server(("127.0.0.1", 0), handler(self))
        self._server = server
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        with self._lock:
            for event in self._stalled.values():
                event.set()
        self._server.shutdown()
        self._server.server_close()

    def client(self) -> "httpx.AsyncClient":
        """Return an HTTP client for which all shops are here. Close it with ``async with``."""
        return client_for(self.url)

    def sync_client(self) -> "httpx.Client":
        """Return a sync HTTP client for which all shops are here. Close it with ``with``."""
        return sync_client_for(self.url)

    def fail(self, shop: str, *faults: Fault) -> None:
        """Let the next requests of *shop* go wrong, one fault for each."""
        with self._lock:
            self._faults[shop_domain(shop)].extend(faults)

    def release(self, shop: str) -> None:
        """Let requests of *shop* that stall go on, and those that would later."""
        self._stalled[shop_domain(shop)].set()

    def id_token(self, shop: str, user_id: int = 1, *, lifetime: int = 60) -> str:
        """Sign an ID token, with which a user comes to the app from the admin of *shop*."""
        claims = claims_of(self.client_id, shop_domain(shop), user_id, lifetime)
        return sign(claims, self.client_secret)

    def verified(self, shop: str, user_id: int = 1, *, lifetime: int = 60) -> dict[str, Any]:
        """Return what ``verify_app_home_req()`` would, for a request of a user of *shop*."""
        domain = shop_domain(shop)
        claims = claims_of(self.client_id, domain, user_id, lifetime)
        return {
            "ok": True,
            "shop": shop_name(domain),
            "user_id": str(user_id),
            "id_token": {
                "exchangeable": True,
                "token": sign(claims, self.client_secret),
                "claims": claims,
            },
            "invalid_token_response": None,
        }

    def _next_fault(self, shop: str) -> Fault | None:
        with self._lock:
            self.requests[shop] += 1
            return self._faults[shop].popleft() if self._faults[shop] else None
