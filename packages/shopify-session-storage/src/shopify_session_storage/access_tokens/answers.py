"""What an answer of Shopify's token endpoint means.

| answer to a refresh | verdict | requests |
| --- | --- | --- |
| 200, complete | stored | 1 |
| 200 without `scope` | scope kept | 1 |
| 200 without another field, with one that cannot be, or no JSON | malformed | 1 |
| 400 or 401 `invalid_grant`, 401 `invalid_request` | rejected | 1 |
| 402, 403, 404, 423 | shop unavailable | 1 |
| 429 | unavailable for a while | 1 |
| 500 to 504 | unavailable | 3 |
| any other 5xx, no answer, a lost connection | unavailable | 1 |
| 400 or 401 `invalid_client`, any other status | unavailable | 1 |

Rejected is final, once the store has been read again; the rest may pass. The table is written by
the tests, from what they see.
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
    ShopUnavailable,
    TokenRefreshUnavailable,
)
from shopify_session_storage.access_tokens.frames import hides_locals
from shopify_session_storage.ids import sanitize_shop
from shopify_session_storage.session import Session

_LONGEST_RETRY_AFTER: Final = timedelta(hours=1)

# Shopify documents 60 minutes, 24 hours for online tokens, and 90 days. What lives much longer was
# counted in another unit.
_LONGEST_ACCESS: Final = timedelta(days=31)
_LONGEST_REFRESH: Final = timedelta(days=2 * 366)

# Payment required, forbidden, not found, locked: not a matter of seconds.
_SHOP_UNAVAILABLE: Final = (402, 403, 404, 423)
_SHOP_REST: Final = timedelta(minutes=15)

# How Shopify says that an app gets no client credentials for a shop; its package has no codes.
_NO_CLIENT_CREDENTIALS: Final = ("error: shop_not_permitted", "error: app_not_installed")


@dataclass(frozen=True)
class Failure:
    """What a result of Shopify's package says, if it is not a success."""

    code: str
    detail: str
    status: int | None
    retry_after: timedelta | None
    response: Any
    requests: int


def granted(shop: str, result: object, *, like: Session | None = None) -> Session:
    """Return the session that a result of Shopify's package grants for *shop*.

    Raises:
        MalformedTokenResponse: If it is not complete, or cannot be.
    """
    token = field(result, "access_token")
    try:
        if token is None or sanitize_shop(str(field(token, "shop"))) != shop:
            raise malformed(shop, "access_token" if token is None else "shop")
        session = fresh_session(token, like=like)
        now = datetime.now(UTC)
        lives = (
            ("expires_in", session.expires, _LONGEST_ACCESS),
            ("refresh_token_expires_in", session.refresh_token_expires, _LONGEST_REFRESH),
        )
        wrong = [name for name, ends, most in lives if ends is not None and ends - now > most]
        if wrong:
            raise malformed(shop, *wrong)
    except MalformedTokenResponse as error:
        error.status = 200
        raise
    return session


@hides_locals
def fresh_session(
    token: object,
    *,
    shop: str | None = None,
    like: Session | None = None,
    forever: bool = False,
) -> Session:
    """Return the session of a token that was just issued, after a look at everything in it.

    Args:
        token: The token, as :func:`session_from_access_token` takes it.
        shop: The shop, if the token does not name it.
        like: The session that it renews, if it renews one.
        forever: Whether a token that never expires will do, too.

    Raises:
        MalformedTokenResponse: If it is not complete, or not valid now.
        TypeError: If it is no access token.
        ValueError: If it does not name a shop, or names another one.
    """
    session = session_from_access_token(token, shop=shop)
    now = datetime.now(UTC)
    wrong = []
    if like is not None and session.id != like.id:
        wrong.append("shop")
    # The package turns a missing lifetime into one of zero seconds, or into None.
    if (not forever) if session.expires is None else session.expires <= now:
        wrong.append("expires_in")
    if not session.is_online and session.refresh_token is None and session.expires is not None:
        wrong += [] if is_client_credentials(session) else ["refresh_token"]
    if session.refresh_token is not None:
        expires = session.refresh_token_expires
        if expires is None or expires <= now:
            wrong.append("refresh_token_expires_in")
    if wrong:
        raise malformed(session.shop, *wrong)
    return session


def malformed(shop: str, *fields: str) -> MalformedTokenResponse:
    """Return the error for an answer without some fields, or with ones that cannot be."""
    return MalformedTokenResponse(
        f"Shopify's answer is not complete: {', '.join(fields)}",
        shop=shop,
        fields=fields,
    )


def unavailable(shop: str, failure: Failure) -> TokenRefreshUnavailable:
    """Return the error for a failure that is not the token's."""
    closed = failure.status in _SHOP_UNAVAILABLE
    kind = ShopUnavailable if closed else TokenRefreshUnavailable
    said = "Shopify does not serve this shop" if closed else "Shopify gave no access token"
    status = "" if not failure.status else f", status {failure.status}"
    return kind(
        f"{said} ({failure.code}{status})",
        shop=shop,
        response=failure.response,
        status=failure.status,
        retry_after=failure.retry_after or (_SHOP_REST if closed else None),
        requests=failure.requests,
    )


def rejects_refresh_token(failure: Failure) -> bool:
    """Tell whether a failure says that the refresh token is worth nothing."""
    if failure.status is not None and failure.status not in (400, 401):
        return False
    if failure.code in ("invalid_grant", "refresh_token_expired"):
        return True
    # The package has no code for it; its detail quotes the error that Shopify names.
    if failure.status == 401 and "error: invalid_request" in failure.detail:
        return True
    return any(error in failure.detail for error in _NO_CLIENT_CREDENTIALS)


def read_failure(result: object) -> Failure:
    """Read the result of a call that did not succeed."""
    log = field(result, "log")
    status, headers = last_answer(result)
    return Failure(
        code=str(field(log, "code", "unknown")),
        detail=str(field(log, "detail", "")),
        status=status,
        retry_after=parse_retry_after(headers.get("retry-after")),
        response=field(result, "response"),
        requests=max(1, len(field(result, "http_logs") or ())),
    )


def last_answer(result: object) -> tuple[int | None, dict[str, str]]:
    """Return the status and the headers, named in lower case, of the last answer of a call."""
    sent = field(result, "http_logs") or [None]
    answer = field(sent[-1], "res")
    headers = field(answer, "headers") or {}
    return field(answer, "status") or None, {k.lower(): v for k, v in headers.items()}


def parse_retry_after(value: str | None) -> timedelta | None:
    """Read a ``Retry-After`` header: seconds or an HTTP date, at most an hour; None if neither."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    if math.isnan(seconds):
        return None
    return timedelta(seconds=min(max(seconds, 0), _LONGEST_RETRY_AFTER.total_seconds()))
