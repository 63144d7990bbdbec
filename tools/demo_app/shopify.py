"""Shopify's side of the demo: what it signs, and its token endpoint, simulated at the HTTP layer.

Requests, answers and errors have the shape that Shopify documents.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import httpx
import jwt

from demo_app.words import duration, mask

_TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
_REQUESTED = "urn:shopify:params:oauth:token-type:{}-access-token"

_OFFLINE_SECONDS = 60 * 60
_ONLINE_SECONDS = 24 * 60 * 60 - 1
_REFRESH_TOKEN_SECONDS = 90 * 24 * 60 * 60


@dataclass(frozen=True)
class User:
    """Somebody who works in a shop."""

    id: int
    first_name: str
    last_name: str
    email: str
    account_owner: bool = False
    scope: str = "read_orders,write_products"


@dataclass(frozen=True)
class Shop:
    """A shop that has the app installed."""

    name: str
    users: tuple[User, ...]
    scope: str = "read_orders,write_products"

    @property
    def domain(self) -> str:
        """The full domain."""
        return f"{self.name}.myshopify.com"


@dataclass(frozen=True)
class Credentials:
    """What identifies the app, and signs what Shopify sends to it."""

    client_id: str
    client_secret: str

    def id_token(self, shop: Shop, user: User, *, lifetime: int = 60) -> str:
        """Sign the ID token with which *user* comes to the app from the admin of *shop*."""
        now = int(time.time())
        claims = {
            "iss": f"https://{shop.domain}/admin",
            "dest": f"https://{shop.domain}",
            "aud": self.client_id,
            "sub": str(user.id),
            "exp": now + lifetime,
            "nbf": now + min(0, lifetime),
            "iat": now + min(0, lifetime),
            "jti": str(uuid.uuid4()),
            "sid": secrets.token_hex(32),
        }
        return jwt.encode(claims, self.client_secret, algorithm="HS256")

    def webhook_signature(self, body: bytes) -> str:
        """Sign the body of a webhook."""
        digest = hmac.new(self.client_secret.encode(), body, hashlib.sha256).digest()
        return base64.b64encode(digest).decode()


def new_token(kind: str) -> str:
    """Make a random token as Shopify would; *kind* is its prefix."""
    return f"{kind}_{secrets.token_hex(16)}"


class _OAuthError(Exception):
    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(error)
        self.status = status
        self.answer = {"error": error, "error_description": description}


class SimulatedShopify(httpx.AsyncBaseTransport):
    """Answers in place of ``https://{shop}.myshopify.com/admin/oauth/access_token``.

    Args:
        credentials: The app's; others are refused.
        shops: Those that exist.
        tell: Called with a line about each answer.

    Attributes:
        answers: How often each kind was given: ``offline``, ``online``, ``refresh``, ``refused``.
        issued: Every token that was given out.
        next_offline_seconds: Lifetime of the next offline token of a shop (by name), where it is
            to differ from an hour.
    """

    def __init__(
        self, credentials: Credentials, shops: Iterable[Shop], tell: Callable[[str], None]
    ) -> None:
        self.answers: Counter[str] = Counter()
        self.issued: set[str] = set()
        self.next_offline_seconds: dict[str, int] = {}
        self._credentials = credentials
        self._shops = {shop.domain: shop for shop in shops}
        self._tell = tell
        self._refresh_tokens: defaultdict[str, set[str]] = defaultdict(set)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request to the token endpoint."""
        shop = self._shops.get(request.url.host)
        if shop is None or (request.method, request.url.path) != (
            "POST",
            "/admin/oauth/access_token",
        ):
            return httpx.Response(404)
        try:
            return httpx.Response(200, json=self._grant(shop, json.loads(await request.aread())))
        except _OAuthError as error:
            self.answers["refused"] += 1
            self._tell(f"refused: {error}")
            return httpx.Response(error.status, json=error.answer)

    def _grant(self, shop: Shop, body: dict[str, Any]) -> dict[str, Any]:
        own = (self._credentials.client_id, self._credentials.client_secret)
        if (body.get("client_id"), body.get("client_secret")) != own:
            raise _OAuthError(401, "invalid_client", "The client credentials are wrong.")
        grant_type = body.get("grant_type")
        if grant_type == _TOKEN_EXCHANGE:
            user = self._user_of(shop, body)
            if body.get("requested_token_type") == _REQUESTED.format("online"):
                return self._online(shop, user)
            if body.get("requested_token_type") == _REQUESTED.format("offline"):
                return self._offline(shop, "offline", expiring=body.get("expiring") == 1)
            raise _OAuthError(400, "invalid_request", "requested_token_type is not supported.")
        if grant_type == "refresh_token":
            used = body.get("refresh_token")
            if used not in self._refresh_tokens[shop.domain]:
                raise _OAuthError(400, "invalid_grant", "The refresh token is not valid.")
            return self._offline(shop, "refresh", used=used)
        raise _OAuthError(400, "unsupported_grant_type", "grant_type is not supported.")

    def _user_of(self, shop: Shop, body: dict[str, Any]) -> User:
        refusal = _OAuthError(400, "invalid_subject_token", "The ID token is not valid.")
        if body.get("subject_token_type") != _ID_TOKEN:
            raise refusal
        try:
            claims = jwt.decode(
                body.get("subject_token") or "",
                self._credentials.client_secret,
                algorithms=["HS256"],
                audience=self._credentials.client_id,
                options={"require": ["iss", "dest", "sub", "exp", "nbf", "iat", "jti"]},
            )
        except jwt.PyJWTError:
            raise refusal from None
        for user in shop.users:
            if claims["sub"] == str(user.id) and claims["dest"] == f"https://{shop.domain}":
                return user
        raise refusal

    def _offline(
        self, shop: Shop, kind: str, *, expiring: bool = True, used: str | None = None
    ) -> dict[str, Any]:
        answer: dict[str, Any] = {"access_token": new_token("shpat"), "scope": shop.scope}
        if expiring:
            refresh_token = new_token("shprt")
            # The one that was used may be used again until its successor is.
            self._refresh_tokens[shop.domain] = {refresh_token} | ({used} if used else set())
            answer |= {
                "expires_in": self.next_offline_seconds.pop(shop.name, _OFFLINE_SECONDS),
                "refresh_token": refresh_token,
                "refresh_token_expires_in": _REFRESH_TOKEN_SECONDS,
            }
        return self._granted(kind, answer)

    def _online(self, shop: Shop, user: User) -> dict[str, Any]:
        associated_user = {
            "id": user.id,
            "first_name": user.first_name,
            "last_name": user.last_name,
            "email": user.email,
            "email_verified": True,
            "account_owner": user.account_owner,
            "locale": "en",
            "collaborator": False,
        }
        answer = {
            "access_token": new_token("shpua"),
            "scope": shop.scope,
            "expires_in": _ONLINE_SECONDS,
            "associated_user_scope": user.scope,
            "associated_user": associated_user,
        }
        return self._granted("online", answer)

    def _granted(self, kind: str, answer: dict[str, Any]) -> dict[str, Any]:
        self.answers[kind] += 1
        self.issued |= {answer[key] for key in ("access_token", "refresh_token") if key in answer}
        how = "refresh" if kind == "refresh" else f"exchange for {kind}"
        seconds = answer.get("expires_in")
        life = "no expiry" if seconds is None else f"valid {duration(seconds)}"
        self._tell(f"{how}: {mask(answer['access_token'])}, {life}")
        return answer
