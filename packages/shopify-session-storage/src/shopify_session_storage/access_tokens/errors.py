"""The errors of access tokens. No message, cause or context holds a token."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from shopify_session_storage.access_tokens.tokens import AccessToken


class AccessTokenError(Exception):
    """Base of every error about an access token. Can be pickled and copied.

    Attributes:
        shop: The shop's full domain.
        response: The answer that ``shopifyapp`` suggests for the current request, with ``status``,
            ``body`` and ``headers``. Send it as it is: where a new ID token helps, it tells the
            browser to come again with one. None if there is no answer to suggest, as in a job.
        status: The HTTP status of Shopify's answer that led to this, or None if there was none.
    """

    shop: str | None
    response: Any
    status: int | None

    def __init__(
        self, message: str, *, shop: str, response: Any = None, status: int | None = None
    ) -> None:
        super().__init__(f"{shop}: {message}")
        self.shop = shop
        self.response = response
        self.status = status

    # An exception is pickled by what it was called with, positional arguments alone.
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return _again, (type(self), self.args, self.__dict__)


def _again(kind: type[AccessTokenError], args: tuple[Any, ...], state: dict[str, Any]) -> Any:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ReauthorizationRequired(AccessTokenError):  # noqa: N818  # what the caller has to do
    """Only a merchant who opens the app can help: that brings an ID token, which gets new tokens.

    Raised when Shopify has rejected the refresh token that is still stored, when there is none,
    and when Shopify has rejected the ID token. What is stored is left as it is.
    """


class RequestNotVerified(AccessTokenError, ValueError):  # noqa: N818  # what the request is
    """Shopify's package did not verify the request; answer with ``.response``.

    Attributes:
        reason: The code that Shopify's package gives, such as ``"expired_id_token"``.
        detail: What Shopify's package says about it.
    """

    def __init__(self, reason: str, detail: str, *, response: Any = None) -> None:
        ValueError.__init__(self, f"the request is not verified ({reason}): {detail}")
        self.shop = None  # nobody knows
        self.response = response
        self.status = None
        self.reason = reason
        self.detail = detail


class TokenRefreshUnavailable(AccessTokenError):  # noqa: N818  # a state, not a mistake
    """There is no valid access token right now. Nothing stored was changed; try again later.

    Attributes:
        access_token: The old access token while it is still valid, or None.
        retry_after: How long to wait before Shopify is asked again, or None if that is unknown.
        requests: How many requests were sent to Shopify.
    """

    def __init__(
        self,
        message: str,
        *,
        shop: str,
        response: Any = None,
        status: int | None = None,
        access_token: AccessToken | None = None,
        retry_after: timedelta | None = None,
        requests: int = 1,
    ) -> None:
        super().__init__(message, shop=shop, response=response, status=status)
        self.access_token = access_token
        self.retry_after = retry_after
        self.requests = requests


class ShopUnavailable(TokenRefreshUnavailable):
    """The shop is closed, frozen or locked at Shopify; ``.status`` says which.

    Nothing is wrong with the token, but waiting does not help: the merchant must reopen the shop or
    pay. Nothing stored was changed, so everything works again as soon as that happens.
    """


class MalformedTokenResponse(AccessTokenError):  # noqa: N818  # what came, not what went wrong
    """Shopify's answer, or the token to save, is not a complete access token.

    Nothing stored was changed.

    Attributes:
        fields: The fields that are missing or wrong, as Shopify's token endpoint names them; empty
            if the answer could not be read at all.
    """

    def __init__(
        self, message: str, *, shop: str, fields: tuple[str, ...] = (), status: int | None = None
    ) -> None:
        super().__init__(message, shop=shop, status=status)
        self.fields = fields
