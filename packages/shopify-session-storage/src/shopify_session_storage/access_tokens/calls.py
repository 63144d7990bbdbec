"""Asking Shopify through its package, and what the answers mean.

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

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from inspect import isawaitable, iscoroutinefunction
from typing import Any, Final

from shopify_session_storage.access_tokens.conversion import (
    access_token_from_session,
    field,
    is_client_credentials,
    session_from_access_token,
    shop_name,
)
from shopify_session_storage.access_tokens.errors import (
    AccessTokenError,
    MalformedTokenResponse,
    ReauthorizationRequired,
    TokenRefreshUnavailable,
)
from shopify_session_storage.ids import sanitize_shop
from shopify_session_storage.session import Session

_REFRESH: Final = "refresh_token_exchanged_access_token"
_EXCHANGE: Final = "exchange_using_token_exchange"
_CLIENT_CREDENTIALS: Final = "exchange_using_client_credentials"
_OFFLINE_TOKEN: Final = "urn:shopify:params:oauth:token-type:offline-access-token"  # noqa: S105
_HEADERS: Final = {"Accept": "application/json"}
_LONGEST_RETRY_AFTER: Final = timedelta(hours=1)


class RefreshTokenRejected(Exception):  # noqa: N818  # not an error yet: the store is read again
    """Shopify does not take this refresh token."""


@dataclass(frozen=True)
class _Failure:
    """What a result of Shopify's package says, if it is not a success."""

    code: str
    detail: str
    status: int | None
    retry_after: timedelta | None
    response: Any


class Endpoint:
    """Shopify's token endpoint, reached through the methods of Shopify's package.

    Each method makes one call of the package, which may send up to three requests, and raises
    TokenRefreshUnavailable or MalformedTokenResponse, and what else it says.

    Args:
        app: A ``ShopifyApp``, or anything with its methods, sync or async.
        http_client: Passed on to them, if it is not None. The sync methods get a sync client.
        timeout: After this time an answer is not awaited any more.
    """

    def __init__(self, app: object, http_client: object, timeout: timedelta) -> None:
        self.app = app
        self.http_client = http_client
        self._timeout = timeout

    async def renew(self, session: Session) -> Session:
        """Return the session that follows *session*.

        Raises:
            RefreshTokenRejected: If Shopify does not take the refresh token.
        """
        if is_client_credentials(session):
            call = self._method(_CLIENT_CREDENTIALS)
            result = await self._call(session.shop, call, shop_name(session.shop))
        else:
            # Without its dates: the package would not refresh a token that is valid for another
            # minute, and whether a refresh token has expired is for Shopify to say.
            token = dict(access_token_from_session(session))
            token |= {"expires": None, "refresh_token_expires": None}
            result = await self._call(session.shop, self._method(_REFRESH), token)
        if not field(result, "ok"):
            failure = _failure(result)
            if _rejects_refresh_token(failure):
                raise RefreshTokenRejected
            raise _unavailable(session.shop, failure)
        renewed = _granted(session.shop, result, like=session)
        # A refresh changes no scopes, and an app without any could not do anything.
        return renewed if renewed.scope else replace(renewed, scope=session.scope)

    async def exchange(self, shop: str, mode: str, verified: object) -> Session:
        """Return the session that an ID token is worth.

        Raises:
            ReauthorizationRequired: If Shopify does not take the ID token.
            AccessTokenError: If the package refuses the call.
        """
        result = await self._call(
            shop,
            self._method(_EXCHANGE),
            access_mode=mode,
            id_token=field(verified, "id_token"),
            invalid_token_response=field(verified, "invalid_token_response"),
        )
        if not field(result, "ok"):
            failure = _failure(result)
            if failure.code == "invalid_subject_token":
                raise ReauthorizationRequired(
                    "the ID token is not valid", shop=shop, response=failure.response
                )
            if failure.code == "configuration_error":
                raise AccessTokenError(
                    "the ID token cannot be exchanged", shop=shop, response=failure.response
                )
            raise _unavailable(shop, failure)
        session = _granted(shop, result)
        if session.is_online != (mode == "online"):
            raise _malformed(shop, "access_mode")
        return session

    async def migrate(self, session: Session) -> Session:
        """Return the session with an expiring token that Shopify gives for one without expiry.

        Shopify's package has no call for this, so the request is made here.

        Raises:
            ReauthorizationRequired: If Shopify does not take the token.
            TypeError: If *app* has no ``config`` with its credentials.
        """
        config = getattr(self.app, "config", None)
        if config is None:
            raise TypeError("app has no config with client_id and client_secret")
        body = {
            "client_id": field(config, "client_id"),
            "client_secret": field(config, "client_secret"),
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": session.access_token,
            "subject_token_type": _OFFLINE_TOKEN,
            "requested_token_type": _OFFLINE_TOKEN,
            "expiring": "1",
        }
        post = _post_sync if self._client_is_sync() else _post
        result = await self._call(session.shop, post, session.shop, body)
        if not field(result, "ok"):
            failure = _failure(result)
            if failure.code in ("invalid_subject_token", "invalid_grant"):
                raise ReauthorizationRequired("the access token is not valid", shop=session.shop)
            raise _unavailable(session.shop, failure)
        return _granted(session.shop, result, like=session)

    async def _call(
        self, shop: str, method: Callable[..., Any], *args: object, **options: object
    ) -> object:
        if self.http_client is not None:
            options["http_client"] = self.http_client
        problem: AccessTokenError
        try:
            async with asyncio.timeout(self._timeout.total_seconds()):
                if iscoroutinefunction(method):
                    return await method(*args, **options)
                # A sync call blocks, so it gets a thread. It cannot be stopped there: after the
                # timeout its answer is lost, as if it had been lost on the way.
                result = await asyncio.to_thread(method, *args, **options)
                return await result if isawaitable(result) else result
        except TimeoutError:
            problem = TokenRefreshUnavailable("Shopify did not answer in time", shop=shop)
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            # The package reads a 200 without looking at it first.
            problem = MalformedTokenResponse(
                f"Shopify's answer could not be read ({type(error).__name__})", shop=shop
            )
        except Exception as error:  # whatever an HTTP client raises
            problem = TokenRefreshUnavailable(
                f"Shopify could not be asked ({type(error).__name__})", shop=shop
            )
        # Not inside a handler: the context of the new error would be one that may hold the answer.
        raise problem

    def _client_is_sync(self) -> bool:
        return hasattr(self.http_client, "close") and not hasattr(self.http_client, "aclose")

    def _method(self, name: str) -> Callable[..., Any]:
        method = None if self._client_is_sync() else getattr(self.app, f"{name}_async", None)
        method = method or getattr(self.app, name, None)
        if method is None:
            raise TypeError(f"app has no method {name}() or {name}_async()")
        return method  # type: ignore[no-any-return]


async def _post(shop: str, body: dict[str, Any], http_client: Any = None) -> dict[str, Any]:
    if http_client is None:
        import httpx  # Shopify's package needs it, too

        async with httpx.AsyncClient() as client:
            return await _post(shop, body, client)
    return _read(shop, await http_client.post(_url(shop), json=body, headers=_HEADERS))


def _post_sync(shop: str, body: dict[str, Any], http_client: Any) -> dict[str, Any]:
    return _read(shop, http_client.post(_url(shop), json=body, headers=_HEADERS))


def _url(shop: str) -> str:
    return f"https://{shop}/admin/oauth/access_token"


def _read(shop: str, answer: Any) -> dict[str, Any]:
    """Return an HTTP answer as a result in the shape of Shopify's package."""
    result: dict[str, Any] = {
        "ok": answer.status_code == 200,
        "http_logs": [{"res": {"status": answer.status_code, "headers": answer.headers}}],
    }
    if not result["ok"]:
        try:
            code = answer.json().get("error", "unknown_error")
        except (ValueError, AttributeError):
            code = "unknown_error"
        return result | {"log": {"code": code}}
    now = datetime.now(UTC)
    given = answer.json()
    result["access_token"] = {
        "shop": shop,
        "token": given.get("access_token"),
        "expires": _after(now, given.get("expires_in")),
        "scope": given.get("scope"),
        "access_mode": "offline",
        "refresh_token": given.get("refresh_token"),
        "refresh_token_expires": _after(now, given.get("refresh_token_expires_in")),
    }
    return result


def _after(now: datetime, seconds: float | None) -> str | None:
    return None if seconds is None else (now + timedelta(seconds=seconds)).isoformat()


def _granted(shop: str, result: object, *, like: Session | None = None) -> Session:
    token = field(result, "access_token")
    if token is None or sanitize_shop(str(field(token, "shop"))) != shop:
        raise _malformed(shop, "access_token" if token is None else "shop")
    return fresh_session(token, like=like)


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
        raise _malformed(session.shop, *wrong)
    return session


def _has(given: object, name: str) -> bool:
    missing = object()
    return field(given, name, missing) is not missing


def _malformed(shop: str, *fields: str) -> MalformedTokenResponse:
    return MalformedTokenResponse(
        f"Shopify's answer is not complete: {', '.join(fields)}", shop=shop, fields=fields
    )


def _unavailable(shop: str, failure: _Failure) -> TokenRefreshUnavailable:
    status = "" if not failure.status else f", status {failure.status}"
    return TokenRefreshUnavailable(
        f"Shopify gave no access token ({failure.code}{status})",
        shop=shop,
        response=failure.response,
        retry_after=failure.retry_after,
    )


def _rejects_refresh_token(failure: _Failure) -> bool:
    if failure.status is not None and failure.status not in (400, 401):
        return False
    if failure.code in ("invalid_grant", "refresh_token_expired"):
        return True
    # The package has no code for it; its detail quotes the error that Shopify names.
    return failure.status == 401 and "error: invalid_request" in failure.detail


def _failure(result: object) -> _Failure:
    log = field(result, "log")
    sent = field(result, "http_logs") or [None]
    answer = field(sent[-1], "res")
    headers = field(answer, "headers") or {}
    return _Failure(
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
