"""Shopify's documented rules on access tokens: what the endpoint accepts, and what it gives."""

import secrets
import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from shopify_session_storage.access_tokens.arguments import shop_domain, shop_name
from shopify_session_storage.testing.shopify.id_tokens import user_of

_TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_OFFLINE: Final = "urn:shopify:params:oauth:token-type:offline-access-token"
_ONLINE: Final = "urn:shopify:params:oauth:token-type:online-access-token"
_RETRY_WINDOW: Final = timedelta(days=30)


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


class TokenRules:
    """Which tokens Shopify accepts and gives, without HTTP. Thread-safe.

    Args:
        client_id: The app's client id; every other one is refused.
        client_secret: The app's client secret, which also signs ID tokens.
        retry: What an old refresh token gets when it is used again: ``"same"``: the same pair;
            ``"new"``: another pair, which replaces that one; ``"strict"``: nothing. Shopify
            documents that it may be used again, but not what it gets.
        scope: The scopes of every token, separated by commas.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        retry: Literal["same", "new", "strict"],
        scope: str,
    ) -> None:
        self.client_id = client_id
        self.client_secret = client_secret
        self.retry = retry
        self.scope = scope
        self.access_token_lifetime = timedelta(minutes=60)
        self.refresh_token_lifetime = timedelta(days=90)
        self.grants: Counter[str] = Counter()
        self._shops: defaultdict[str, _Shop] = defaultdict(_Shop)
        self._later = timedelta(0)
        self._lock = threading.RLock()

    def install(self, shop: str, *, expiring: bool = True) -> dict[str, Any]:
        """Install the app in *shop*, again if it is installed, and return the shop's access token.

        Args:
            shop: The shop, named in any way.
            expiring: False for a token of the old kind, which never expires.

        Returns:
            The token, in the shape that Shopify's package gives it.
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
        """Move the endpoint's clock forward."""
        with self._lock:
            self._later += time

    def takes_refresh_token(self, shop: str, token: str | None) -> bool:
        """Tell whether a refresh with *token* would give a new pair now. Changes nothing."""
        with self._lock:
            return self._standing(self._shops[shop_domain(shop)], token) is not None

    def takes_access_token(self, shop: str, token: str | None) -> bool:
        """Tell whether the API of *shop* accepts *token* now."""
        with self._lock:
            access = self._shops[shop_domain(shop)].access
            if token not in access:
                return False
            expires = access[token]
            return expires is None or expires > self.now()

    def answer(self, shop: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one request to *shop*, without faults and without HTTP.

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
        user_id = user_of(subject, domain, self.client_secret)
        if user_id is None:
            raise _RefusedError(400, "invalid_subject_token")
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
            shop.previous, shop.rotated = token, self.now()
        return self._new_pair(domain)

    def _standing(self, shop: _Shop, token: str | None) -> str | None:
        now = self.now()
        if shop.current is None or shop.current_expires is None or token is None:
            return None
        if token == shop.current["refresh_token"]:
            return "current" if shop.current_expires > now else None
        if self.retry != "strict" and token == shop.previous and shop.rotated is not None:
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
        shop.current_expires = self.now() + self.refresh_token_lifetime
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
        self._shops[domain].access[token] = None if lifetime is None else self.now() + lifetime
        return token

    def now(self) -> datetime:
        """Return the time by the endpoint's clock."""
        return datetime.now(UTC) + self._later


def _iso(now: datetime, seconds: int | None) -> str | None:
    return None if seconds is None else (now + timedelta(seconds=seconds)).isoformat()
