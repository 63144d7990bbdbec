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

    It follows Shopify's rules. An access token lives 60 minutes, a refresh token 90 days. A refresh
    gives a new pair, and the old access token stays valid until it expires. The old refresh token
    may be used again until the new one is first used, for at most 30 days. A new install or
    exchange ends all earlier tokens of the shop at once; so does an uninstall. The server answers
    queries to the Admin API with the shop's name if the access token is valid, else with 401.
    Thread-safe.

    Args:
        client_id: The app's client id; every other one is refused.
        client_secret: The app's client secret, which also signs ID tokens.
        retry: What an old refresh token gets when it is used again: ``"same"``: the same pair;
            ``"new"``: another pair, which replaces that one; ``"strict"``: nothing. Shopify
            documents that it may be used again, but not what it gets.
        scope: The scopes of every token, separated by commas.

    Attributes:
        url: Where the server listens, inside the ``with`` block.
        requests: How many requests for tokens there were for each shop, by its full domain.
        grants: How many of them gave tokens, by shop.
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
        """Return an HTTP client that reaches all shops here. Close it with ``async with``."""
        return client_for(self.url)

    def sync_client(self) -> "httpx.Client":
        """Return a sync HTTP client that reaches all shops here. Close it with ``with``."""
        return sync_client_for(self.url)

    def fail(self, shop: str, *faults: Fault) -> None:
        """Make the next requests of *shop* go wrong, each with one of the faults."""
        with self._lock:
            self._faults[shop_domain(shop)].extend(faults)

    def release(self, shop: str) -> None:
        """Let stalled requests of *shop* go on, and do not stall later ones."""
        self._stalled[shop_domain(shop)].set()

    def id_token(self, shop: str, user_id: int = 1, *, lifetime: int = 60) -> str:
        """Return a signed ID token, as a user brings it to the app from the admin of *shop*."""
        claims = claims_of(self.client_id, shop_domain(shop), user_id, lifetime)
        return sign(claims, self.client_secret)

    def verified(self, shop: str, user_id: int = 1, *, lifetime: int = 60) -> dict[str, Any]:
        """Return what ``verify_app_home_req()`` would return for a request of a user of *shop*."""
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
