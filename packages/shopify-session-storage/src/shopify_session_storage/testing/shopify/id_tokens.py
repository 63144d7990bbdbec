"""ID tokens: what a merchant's browser brings from the admin, signed with the app's secret."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any


def claims_of(client_id: str, domain: str, user_id: int, lifetime: int) -> dict[str, Any]:
    """Return what an ID token says; one with a negative *lifetime*, in seconds, is over."""
    now = int(time.time())
    return {
        "iss": f"https://{domain}/admin",
        "dest": f"https://{domain}",
        "aud": client_id,
        "sub": str(user_id),
        "exp": now + lifetime,
        "nbf": now + min(0, lifetime),
        "iat": now + min(0, lifetime),
        "jti": secrets.token_hex(8),
        "sid": secrets.token_hex(16),
    }


def sign(claims: Mapping[str, Any], secret: str) -> str:
    """Return the ID token with these claims."""
    parts = [{"alg": "HS256", "typ": "JWT"}, claims]
    signed = b".".join(_base64(json.dumps(part).encode()) for part in parts)
    return b".".join([signed, _base64(_signature(signed, secret))]).decode()


def user_of(id_token: object, domain: str, secret: str) -> int | None:
    """Return whose ID token it is, or None if it is not one that is valid now for the shop."""
    signed, _, signature = str(id_token).encode().rpartition(b".")
    if not hmac.compare_digest(signature, _base64(_signature(signed, secret))):
        return None
    payload = signed.partition(b".")[2]
    claims = json.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
    if claims["dest"] != f"https://{domain}" or claims["exp"] <= time.time():
        return None
    return int(claims["sub"])


def _signature(signed: bytes, secret: str) -> bytes:
    return hmac.new(secret.encode(), signed, hashlib.sha256).digest()


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
