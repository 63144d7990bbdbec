"""A stand-in for Shopify's token endpoint: a real HTTP server with the documented rules.

    with FakeShopify() as fake:
        shopify = ShopifyApp(fake.client_id, fake.client_secret)
        async with fake.client() as client:
            tokens = AccessTokenStore(storage, app=shopify, http_client=client)
            await tokens.save(fake.install("alpha"))

Clients need httpx, which Shopify's package brings.
"""

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from shopify_session_storage.access_tokens.conversion import shop_domain, shop_name

if TYPE_CHECKING:
    import httpx

_PATH: Final = "/admin/oauth/access_token"
_TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_ID_TOKEN: Final = "urn:ietf:params:oauth:token-type:id_token"
_OFFLINE: Final = "urn:shopify:params:oauth:token-type:offline-access-token"
_ONLINE: Final = "urn:shopify:params:oauth:token-type:online-access-token"
_RETRY_WINDOW: Final = timedelta(days=30)


@dataclass
class Fault:
    """What goes wrong with one request.

    Attributes:
        granted: Whether the endpoint does its work before it fails, so that tokens have rotated
            though nobody learns of it.
        status: The status of the answer, in place of the right one.
        headers: Headers of the answer, such as ``Retry-After``.
        body: The body of the answer, in place of the right one; a dict is sent as JSON.
        change: Fields of the right answer to replace; one that becomes None is left out. Taken
            only if there is no *body*.
        dropped: Whether the connection is closed without an answer.
        stalled: Whether the answer waits for :meth:`FakeShopify.release`.
    """

    granted: bool = False
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    change: Mapping[str, Any] = field(default_factory=dict)
    dropped: bool = False
    stalled: bool = False


@dataclass
class _Shop:
    """What Shopify knows about one shop: the tokens that it takes."""

    access: dict[str, datetime | None] = field(default_factory=dict)
    current: dict[str, Any] | None = None  # the newest pair
    current_expires: datetime | None = None
    previous: str | None = None  # what may be retried as long as the newest was not used
    rotated: datetime | None = None


class _RefusedError(Exception):
    def __init__(self, status: int, error: str, description: str = "") -> None:
        super().__init__(error)
        self.status = status
        self.answer = {"error": error, "error_description": description}


class FakeShopify:
    """Answers in place of ``https://{shop}.myshopify.com/admin/oauth/access_token``.

    The rules: an access token lives 60 minutes, a refresh token 90 days; a refresh gives a new
    pair, and the old access token lives on until its own expiry; the old refresh token may be
    retried until the new one is first used, at most 30 days; a new install or exchange ends all
    earlier tokens of the shop at once, and so does an uninstall. Thread-safe.

    Args:
        client_id: The app's; others are refused.
        client_secret: The app's; also signs ID tokens.
        retry: Whether an old refresh token that is retried gets the ``"same"`` pair again or a
            ``"new"`` one, in place of the one before. Shopify does not say.
        scope: What every token is good for.

    Attributes:
        url: Where the server listens, from ``with`` on.
        requests: How many requests each shop (by full domain) has sent.
        grants: How many of them, by shop, gave tokens.
    """

    def __init__(
        self,
        client_id: str = "client-id",
        client_secret: str = "a-client-secret-that-is-long-enough",  # noqa: S107  # opens nothing
        *,
        retry: Literal["same", "new"] = "same",
        scope: str = "read_orders,write_products",
    ) -> None:
        self.client_id = client_id
        self.client_secret = client_secret
        self.retry = retry
        self.scope = scope
        self.access_token_lifetime = timedelta(minutes=60)
        self.refresh_token_lifetime = timedelta(days=90)
        self.url = ""
        self.requests: Counter[str] = Counter()
        self.grants: Counter[str] = Counter()
        self._shops: defaultdict[str, _Shop] = defaultdict(_Shop)
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._stalled: defaultdict[str, threading.Event] = defaultdict(threading.Event)
        self._later = timedelta(0)
        self._lock = threading.RLock()
        self._server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        server = _Server(("127.0.0.1", 0), _handler(self))
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

    # --- what tests say ----------------------------------------------------------------------

    def client(self) -> "httpx.AsyncClient":
        """Return an HTTP client for which all shops are here. Close it with ``async with``."""
        return client_for(self.url)

    def sync_client(self) -> "httpx.Client":
        """Return a sync HTTP client for which all shops are here. Close it with ``with``."""
        return sync_client_for(self.url)

    def install(self, shop: str, *, expiring: bool = True) -> dict[str, Any]:
        """Install the app in *shop*, anew if it has it, and return the shop's access token.

        Args:
            shop: Named in any way.
            expiring: False for a token of the old kind, which never expires.

        Returns:
            The token in the shape of Shopify's package.
        """
        domain = shop_domain(shop)
        with self._lock:
            answer = self._issue(domain, expiring=expiring)
        now = datetime.now(UTC)
        return {
            "shop": shop_name(domain),
            "token": answer["access_token"],
            "expires": _iso(now, answer.get("expires_in")),
            "scope": answer["scope"],
            "access_mode": "offline",
            "refresh_token": answer.get("refresh_token"),
            "refresh_token_expires": _iso(now, answer.get("refresh_token_expires_in")),
            "user": None,
        }

    def uninstall(self, shop: str) -> None:
        """End all tokens of *shop*."""
        with self._lock:
            self._shops.pop(shop_domain(shop), None)

    def advance(self, time: timedelta) -> None:
        """Let time pass for the endpoint."""
        with self._lock:
            self._later += time

    def fail(self, shop: str, *faults: Fault) -> None:
        """Let the next requests of *shop* go wrong, one fault for each."""
        with self._lock:
            self._faults[shop_domain(shop)].extend(faults)

    def release(self, shop: str) -> None:
        """Let requests of *shop* that stall go on, and those that would later."""
        self._stalled[shop_domain(shop)].set()

    def takes_refresh_token(self, shop: str, token: str | None) -> bool:
        """Tell whether a refresh with *token* would give a new pair now. Changes nothing."""
        with self._lock:
            return self._standing(self._shops[shop_domain(shop)], token) is not None

    def takes_access_token(self, shop: str, token: str | None) -> bool:
        """Tell whether *token* opens the API of *shop* now."""
        with self._lock:
            access = self._shops[shop_domain(shop)].access
            if token not in access:
                return False
            expires = access[token]
            return expires is None or expires > self._now()

    def id_token(self, shop: str, user_id: int = 1, *, lifetime: int = 60) -> str:
        """Sign an ID token, with which a user comes to the app from the admin of *shop*."""
        return self._sign(self._claims(shop_domain(shop), user_id, lifetime))

    def verified(self, shop: str, user_id: int = 1, *, lifetime: int = 60) -> dict[str, Any]:
        """Return what ``verify_app_home_req()`` would, for a request of a user of *shop*."""
        domain = shop_domain(shop)
        claims = self._claims(domain, user_id, lifetime)
        return {
            "ok": True,
            "shop": shop_name(domain),
            "user_id": str(user_id),
            "id_token": {"exchangeable": True, "token": self._sign(claims), "claims": claims},
            "invalid_token_response": None,
        }

    # --- the endpoint ------------------------------------------------------------------------

    def answer(self, shop: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one request to *shop*, as it is without faults and without HTTP.

        Returns:
            The status and the JSON of the answer, as ``{"status": ..., "json": ...}``.
        """
        with self._lock:
            try:
                given = self._grant(shop, body)
            except _RefusedError as refusal:
                return {"status": refusal.status, "json": refusal.answer}
            self.grants[shop] += 1
            return {"status": 200, "json": given}

    def _next_fault(self, shop: str) -> Fault | None:
        with self._lock:
            self.requests[shop] += 1
            return self._faults[shop].popleft() if self._faults[shop] else None

    def _grant(self, domain: str, body: Mapping[str, Any]) -> dict[str, Any]:
        own = (self.client_id, self.client_secret)
        if (body.get("client_id"), body.get("client_secret")) != own:
            raise _RefusedError(401, "invalid_client")
        grant_type = body.get("grant_type")
        if grant_type == "refresh_token":
            return self._refresh(domain, body.get("refresh_token"))
        if grant_type == "client_credentials":
            token = self._new_access_token(domain, timedelta(hours=24))
            return {"access_token": token, "scope": self.scope, "expires_in": 86399}
        if grant_type != _TOKEN_EXCHANGE:
            raise _RefusedError(400, "unsupported_grant_type")
        subject = body.get("subject_token")
        expiring = str(body.get("expiring", "0")) == "1"
        if body.get("subject_token_type") == _OFFLINE:
            access = self._shops[domain].access
            if subject not in access or access[subject] is not None or not expiring:
                raise _RefusedError(400, "invalid_subject_token")
            return self._issue(domain, expiring=True)
        user_id = self._user_of(domain, subject)
        if body.get("requested_token_type") == _ONLINE:
            return self._online(domain, user_id)
        return self._issue(domain, expiring=expiring)

    def _refresh(self, domain: str, token: str | None) -> dict[str, Any]:
        shop = self._shops[domain]
        standing = self._standing(shop, token)
        if standing is None:
            raise _RefusedError(
                401, "invalid_request", "This request requires an active refresh_token"
            )
        if standing == "previous" and self.retry == "same":
            assert shop.current is not None
            return dict(shop.current)
        if standing == "current":
            shop.previous, shop.rotated = token, self._now()
        return self._new_pair(domain)

    def _standing(self, shop: _Shop, token: str | None) -> str | None:
        now = self._now()
        if shop.current is None or shop.current_expires is None or token is None:
            return None
        if token == shop.current["refresh_token"]:
            return "current" if shop.current_expires > now else None
        if token == shop.previous and shop.rotated is not None:
            return "previous" if shop.rotated + _RETRY_WINDOW > now else None
        return None

    def _issue(self, domain: str, *, expiring: bool) -> dict[str, Any]:
        self._shops[domain] = _Shop()  # all earlier ones end
        if expiring:
            return self._new_pair(domain)
        token = self._new_access_token(domain, None)
        return {"access_token": token, "scope": self.scope}

    def _new_pair(self, domain: str) -> dict[str, Any]:
        shop = self._shops[domain]
        shop.current_expires = self._now() + self.refresh_token_lifetime
        shop.current = {
            "access_token": self._new_access_token(domain, self.access_token_lifetime),
            "scope": self.scope,
            "expires_in": int(self.access_token_lifetime.total_seconds()),
            "refresh_token": f"shprt_{secrets.token_hex(16)}",
            "refresh_token_expires_in": int(self.refresh_token_lifetime.total_seconds()),
        }
        return dict(shop.current)

    def _online(self, domain: str, user_id: int) -> dict[str, Any]:
        return {
            "access_token": self._new_access_token(domain, timedelta(hours=24), "shpua"),
            "scope": self.scope,
            "expires_in": 86399,
            "associated_user_scope": self.scope,
            "associated_user": {
                "id": user_id,
                "first_name": "Ada",
                "last_name": "Osei",
                "email": "ada@shop.example",
                "email_verified": True,
                "account_owner": True,
                "locale": "en",
                "collaborator": False,
            },
        }

    def _new_access_token(
        self, domain: str, lifetime: timedelta | None, kind: str = "shpat"
    ) -> str:
        token = f"{kind}_{secrets.token_hex(16)}"
        self._shops[domain].access[token] = None if lifetime is None else self._now() + lifetime
        return token

    def _now(self) -> datetime:
        return datetime.now(UTC) + self._later

    # --- ID tokens ---------------------------------------------------------------------------

    def _claims(self, domain: str, user_id: int, lifetime: int) -> dict[str, Any]:
        now = int(time.time())
        return {
            "iss": f"https://{domain}/admin",
            "dest": f"https://{domain}",
            "aud": self.client_id,
            "sub": str(user_id),
            "exp": now + lifetime,
            "nbf": now + min(0, lifetime),
            "iat": now + min(0, lifetime),
            "jti": secrets.token_hex(8),
            "sid": secrets.token_hex(16),
        }

    def _sign(self, claims: Mapping[str, Any]) -> str:
        parts = [{"alg": "HS256", "typ": "JWT"}, claims]
        signed = b".".join(_base64(json.dumps(part).encode()) for part in parts)
        return b".".join([signed, _base64(self._signature(signed))]).decode()

    def _signature(self, signed: bytes) -> bytes:
        return hmac.new(self.client_secret.encode(), signed, hashlib.sha256).digest()

    def _user_of(self, domain: str, id_token: object) -> int:
        refusal = _RefusedError(400, "invalid_subject_token")
        signed, _, signature = str(id_token).encode().rpartition(b".")
        if not hmac.compare_digest(signature, _base64(self._signature(signed))):
            raise refusal
        payload = signed.partition(b".")[2]
        claims = json.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
        if claims["dest"] != f"https://{domain}" or claims["exp"] <= time.time():
            raise refusal
        return int(claims["sub"])


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a stalled answer must not hold up the end of a test
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away are part of the tests."""


def _handler(fake: FakeShopify) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name that http.server looks for
            shop = self.headers.get("Host", "")
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            fault = fake._next_fault(shop)
            if self.path != _PATH:
                self._send(404, "", {})
                return
            if fault is None:
                answer = fake.answer(shop, body)
                self._send(answer["status"], answer["json"], {})
                return
            changed = any((fault.status, fault.body is not None, fault.dropped))
            answer = {"status": 200, "json": ""}
            if fault.granted or not changed:
                answer = fake.answer(shop, body)
                if fault.change and isinstance(answer["json"], dict):
                    merged = {**answer["json"], **fault.change}
                    answer["json"] = {k: v for k, v in merged.items() if v is not None}
            if fault.stalled:
                fake._stalled[shop].wait()
            if not fault.dropped:
                if changed:
                    answer = {"status": fault.status or 200, "json": fault.body or ""}
                self._send(answer["status"], answer["json"], fault.headers)

        def _send(self, status: int, answer: Any, headers: Mapping[str, str]) -> None:
            data = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
            self.send_response(status, "")
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def client_for(url: str) -> "httpx.AsyncClient":
    """Return an HTTP client whose requests, whatever their host, go to the server at *url*.

    For processes other than that of the :class:`FakeShopify`.
    """
    import httpx

    class Transport(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            request.url = _there(request.url, url)
            return await super().handle_async_request(request)

    # Nothing is encrypted here, and loading certificates takes long.
    return httpx.AsyncClient(transport=Transport(verify=False))


def sync_client_for(url: str) -> "httpx.Client":
    """Return a sync client as :func:`client_for` does."""
    import httpx

    class Transport(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            request.url = _there(request.url, url)
            return super().handle_request(request)

    return httpx.Client(transport=Transport(verify=False))


def _there(asked: "httpx.URL", url: str) -> "httpx.URL":
    host, _, port = url.removeprefix("http://").partition(":")
    return asked.copy_with(scheme="http", host=host, port=int(port))


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _iso(now: datetime, seconds: int | None) -> str | None:
    return None if seconds is None else (now + timedelta(seconds=seconds)).isoformat()
