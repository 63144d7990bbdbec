"""What an answer of Shopify's token endpoint means.

| answer of the token endpoint to a refresh | verdict |
| --- | --- |
| 200, complete | the new pair |
| 200 without ``scope`` | the new pair; the scope stays as it was |
| 200, anything else missing, empty, expired or of the wrong type; no JSON | malformed |
| 400 or 401 ``invalid_grant`` | rejected |
| 401 ``invalid_request`` | rejected: this is how a dead refresh token is answered |
| 400 or 401 ``invalid_client`` | unavailable: the app's own credentials are wrong, not the token |
| 429 | unavailable, for as long as ``Retry-After`` says |
| 5xx, also 520 | unavailable |
| any other status | unavailable |
| no answer, a lost connection | unavailable |

Rejected is final, once the store has been read again; the rest may pass.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

from shopify_session_storage.access_tokens.conversion import (
    field,
    is_client_credentials,
    session_from_access_token,
)
from shopify_session_storage.access_tokens.errors import (
    MalformedTokenResponse,
    TokenRefreshUnavailable,
)
from shopify_session_storage.access_tokens.frames import hides_locals
from shopify_session_storage.ids import sanitize_shop
from shopify_session_storage.session import Session

_LONGEST_RETRY_AFTER: Final = timedelta(hours=1)


@dataclass(frozen=True)
class Failure:
    """What a result of Shopify's package says, if it is not a success."""

    code: str
    detail: str
    status: int | None
    retry_after: timedelta | None
    response: Any


def granted(shop: str, result: object, *, like: Session | None = None) -> Session:
    """Return the session that a result of Shopify's package grants for *shop*."""
    token = field(result, "access_token")
    if token is None or sanitize_shop(str(field(token, "shop"))) != shop:
        raise malformed(shop, "access_token" if token is None else "shop")
    return fresh_session(token, like=like)


@hides_locals
def fresh_session(token: object, *, like: Session | None = None, forever: bool = False) -> Session:
    """Return the session of a token that was just issued, after a look at everything in it.

    Args:
        token: The token.
        like: The session that it renews, if it renews one.
        forever: Whether a token that never expires will do, too.

    Raises:
        MalformedTokenResponse: If it is not complete, or not valid now.
        ValueError: If it does not name a shop.
    """
    session = session_from_access_token(token)
    now = datetime.now(UTC)
    wrong = []
    if like is not None and session.id != like.id:
        wrong.append("shop")
    # The package turns a missing lifetime into one of zero seconds, or into None.
    if (not forever) if session.expires is None else session.expires <= now:
        wrong.append("expires_in")
    if is_client_credentials(session) and _has(token, "refresh_token"):
        wrong.append("refresh_token")
    if session.refresh_token is not None:
        expires = session.refresh_token_expires
        if expires is None or expires <= now:
            wrong.append("refresh_token_expires_in")
    if wrong:
        raise malformed(session.shop, *wrong)
    return session


def _has(given: object, name: str) -> bool:
    missing = object()
    return field(given, name, missing) is not missing


def malformed(shop: str, *fields: str) -> MalformedTokenResponse:
    """Return the error for an answer without some fields, or with ones that cannot be."""
    return MalformedTokenResponse(
        f"Shopify's answer is not complete: {', '.join(fields)}", shop=shop, fields=fields
    )


def unavailable(shop: str, failure: Failure) -> TokenRefreshUnavailable:
    """Return the error for a failure that may pass."""
    status = "" if not failure.status else f", status {failure.status}"
    return TokenRefreshUnavailable(
        f"Shopify gave no access token ({failure.code}{status})",
        shop=shop,
        response=failure.response,
        retry_after=failure.retry_after,
    )


def rejects_refresh_token(failure: Failure) -> bool:
    """Tell whether a failure says that the refresh token is worth nothing."""
    if failure.status is not None and failure.status not in (400, 401):
        return False
    if failure.code in ("invalid_grant", "refresh_token_expired"):
        return True
    # The package has no code for it; its detail quotes the error that Shopify names.
    return failure.status == 401 and "error: invalid_request" in failure.detail


def read_failure(result: object) -> Failure:
    """Read the result of a call that did not succeed."""
    log = field(result, "log")
    sent = field(result, "http_logs") or [None]
    answer = field(sent[-1], "res")
    headers = field(answer, "headers") or {}
    return Failure(
        code=str(field(log, "code", "unknown")),
        detail=str(field(log, "detail", "")),
        status=field(answer, "status") or None,
        retry_after=parse_retry_after(
            next((value for name, value in headers.items() if name.lower() == "retry-after"), None)
        ),
        response=field(result, "response"),
    )


def parse_retry_after(value: str | None) -> timedelta | None:
    """Read a ``Retry-After`` header: seconds or an HTTP date, at most an hour; None if neither."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    if math.isnan(seconds):
        return None
    return timedelta(seconds=min(max(seconds, 0), _LONGEST_RETRY_AFTER.total_seconds()))
