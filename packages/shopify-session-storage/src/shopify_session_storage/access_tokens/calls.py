"""Asking Shopify's token endpoint, through Shopify's package."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from inspect import isawaitable, iscoroutinefunction
from typing import Any, Final

from shopify_session_storage.access_tokens.answers import (
    fresh_session,
    granted,
    last_answer,
    malformed,
    parse_retry_after,
    read_failure,
    rejects_refresh_token,
    unavailable,
)
from shopify_session_storage.access_tokens.breaker import Breaker
from shopify_session_storage.access_tokens.clock import ClockCheck
from shopify_session_storage.access_tokens.conversion import (
    access_token_from_session,
    field,
    is_client_credentials,
    shop_name,
)
from shopify_session_storage.access_tokens.errors import (
    AccessTokenError,
    MalformedTokenResponse,
    ReauthorizationRequired,
    TokenRefreshUnavailable,
)
from shopify_session_storage.access_tokens.expiring import post, post_sync, request_body
from shopify_session_storage.access_tokens.frames import hides_locals
from shopify_session_storage.access_tokens.lifetimes import Lifetimes
from shopify_session_storage.session import Session

__all__ = ["Endpoint", "RefreshTokenRejected", "fresh_session", "parse_retry_after"]

_REFRESH: Final = "refresh_token_exchanged_access_token"
_EXCHANGE: Final = "exchange_using_token_exchange"
_CLIENT_CREDENTIALS: Final = "exchange_using_client_credentials"

# In seconds.
_LAST_MOMENT: Final = 0.2


class RefreshTokenRejected(Exception):  # noqa: N818  # not an error yet: the store is read again
    """Shopify does not take this refresh token, says the answer with ``status``."""

    def __init__(self, status: int | None = None) -> None:
        super().__init__(status)
        self.status = status


class Endpoint:
    """Shopify's token endpoint, reached through the methods of Shopify's package.

    Each method makes one call of the package, which may send up to three requests, and raises
    TokenRefreshUnavailable or MalformedTokenResponse, and what else it says. While the endpoint
    fails for many shops, most calls raise TokenRefreshUnavailable without a request.

    Attributes:
        app: A ``ShopifyApp``, or anything with its methods, sync or async.
        http_client: Passed on to them, if it is not None. The sync methods get a sync client.
        lifetimes: How long the tokens live that it has given.

    Args:
        app: A ``ShopifyApp``, or anything with its methods, sync or async.
        http_client: Passed on to them, if it is not None. The sync methods get a sync client.
        timeout: After this time an answer is not awaited any more.
    """

    def __init__(self, app: object, http_client: object, timeout: timedelta) -> None:
        self.app = app
        self.http_client = http_client
        self._timeout = timeout
        self.lifetimes = Lifetimes()
        self._breaker = Breaker()
        self._clock = ClockCheck()

    def check_can_refresh(self) -> None:
        """Raise TypeError unless *app* can refresh access tokens."""
        self._method(_REFRESH)

    def check_can_migrate(self) -> None:
        """Raise TypeError unless *app* has what :meth:`migrate` needs."""
        if getattr(self.app, "config", None) is None:
            raise TypeError("app has no config with client_id and client_secret")

    @hides_locals
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
            token = replace(
                access_token_from_session(session), expires=None, refresh_token_expires=None
            )
            result = await self._call(session.shop, self._method(_REFRESH), token)
        if not field(result, "ok"):
            failure = read_failure(result)
            if rejects_refresh_token(failure):
                raise RefreshTokenRejected(failure.status)
            raise unavailable(session.shop, failure)
        renewed = granted(session.shop, result, like=session)
        self.lifetimes.note(renewed)
        # A refresh changes no scopes, and an app without any could not do anything.
        return renewed if renewed.scope else replace(renewed, scope=session.scope)

    @hides_locals
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
            failure = read_failure(result)
            if failure.code == "invalid_subject_token":
                raise ReauthorizationRequired(
                    "the ID token is not valid",
                    shop=shop,
                    response=failure.response,
                    status=failure.status,
                )
            if failure.code == "configuration_error":
                raise AccessTokenError(
                    "the ID token cannot be exchanged", shop=shop, response=failure.response
                )
            raise unavailable(shop, failure)
        session = granted(shop, result)
        if session.is_online != (mode == "online"):
            raise malformed(shop, "access_mode")
        self.lifetimes.note(session)
        return session

    @hides_locals
    async def migrate(self, session: Session) -> Session:
        """Return the session with an expiring token that Shopify gives for one without expiry.

        Shopify's package has no call for this, so the request is made here.

        Raises:
            ReauthorizationRequired: If Shopify does not take the token.
            TypeError: If *app* has no ``config`` with its credentials.
        """
        self.check_can_migrate()
        body = request_body(field(self.app, "config"), session.access_token)
        method = post_sync if self._client_is_sync() else post
        result = await self._call(session.shop, method, session.shop, body)
        if not field(result, "ok"):
            failure = read_failure(result)
            if failure.code in ("invalid_subject_token", "invalid_grant"):
                raise ReauthorizationRequired(
                    "the access token is not valid", shop=session.shop, status=failure.status
                )
            raise unavailable(session.shop, failure)
        new = granted(session.shop, result, like=session)
        self.lifetimes.note(new)
        return new

    async def _call(
        self, shop: str, method: Callable[..., Any], *args: object, **options: object
    ) -> object:
        if self.http_client is not None:
            options["http_client"] = self.http_client
        if rest := self._breaker.ask():
            raise TokenRefreshUnavailable(
                "Shopify's token endpoint fails for many shops",
                shop=shop,
                retry_after=timedelta(seconds=rest),
                requests=0,
            )
        asked = datetime.now(UTC)
        answered: bool | None = None
        problem: AccessTokenError
        try:
            result = await _within(self._timeout.total_seconds(), _run(method, args, options))
            status, headers = last_answer(result)
            self._clock.look(headers.get("date"), asked)
            answered = bool(field(result, "ok")) or (status is not None and status < 500)
            return result
        except TimeoutError:
            answered = False
            problem = TokenRefreshUnavailable("Shopify did not answer in time", shop=shop)
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            # The package reads a 200 without looking at it first.
            answered = True
            problem = MalformedTokenResponse(
                f"Shopify's answer could not be read ({type(error).__name__})",
                shop=shop,
                status=200,
            )
        except Exception as error:  # whatever an HTTP client raises
            answered = False
            problem = TokenRefreshUnavailable(
                f"Shopify could not be asked ({type(error).__name__})", shop=shop
            )
        finally:
            self._breaker.tell(shop, answered=answered)
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


async def _run(method: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    if iscoroutinefunction(method):
        return await method(*args, **options)
    # A sync call blocks, so it gets a thread. It cannot be stopped there: after the timeout its
    # answer is lost, as if it had been lost on the way.
    result = await asyncio.to_thread(method, *args, **options)
    return await result if isawaitable(result) else result


async def _within(seconds: float, work: Coroutine[Any, Any, Any]) -> Any:
    """Return what *work* comes to in that time.

    A process that has been stopped for longer has the answer in its socket when it goes on. It gets
    a moment to read it: a grant that nobody reads may be lost.

    Raises:
        TimeoutError: If there is no answer.
    """
    task = asyncio.ensure_future(work)
    try:
        for limit in (seconds, _LAST_MOMENT):
            done, _ = await asyncio.wait([task], timeout=limit)
            if done:
                return task.result()
    finally:
        task.cancel()
        task.add_done_callback(lambda task: task.cancelled() or task.exception())
    raise TimeoutError
