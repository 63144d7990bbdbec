"""The errors of access tokens. No message, cause or context of theirs carries a token."""

from datetime import timedelta
from typing import Any

from shopify_session_storage.access_tokens.tokens import AccessToken


class AccessTokenError(Exception):
    """Base of every error about an access token.

    Attributes:
        shop: The shop's full domain.
        response: The HTTP answer that Shopify's package suggests for the request at hand, or None.
    """

    def __init__(self, message: str, *, shop: str, response: Any = None) -> None:
        super().__init__(f"{shop}: {message}")
        self.shop = shop
        self.response = response


class ReauthorizationRequired(AccessTokenError):  # noqa: N818  # what the caller has to do
    """Only a merchant who opens the app can help: a new ID token gets new access tokens.

    Raised when Shopify has rejected the refresh token that is still stored, when there is none,
    and when Shopify has rejected the ID token. What is stored is left as it is.
    """


class TokenRefreshUnavailable(AccessTokenError):  # noqa: N818  # a state, not a mistake
    """No valid access token right now, but later: nothing stored was changed, trying again helps.

    Attributes:
        access_token: The old access token while it is still valid, or None.
        retry_after: How long to leave Shopify alone, or None if that is unknown.
    """

    def __init__(
        self,
        message: str,
        *,
        shop: str,
        response: Any = None,
        access_token: AccessToken | None = None,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message, shop=shop, response=response)
        self.access_token = access_token
        self.retry_after = retry_after


class MalformedTokenResponse(AccessTokenError):  # noqa: N818  # what came, not what went wrong
    """What Shopify answered, or what is to be saved, is not a complete access token.

    Nothing stored was changed.

    Attributes:
        fields: The fields that are missing or cannot be what they should be, as Shopify's token
            endpoint names them; empty if the answer could not be read at all.
    """

    def __init__(self, message: str, *, shop: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(message, shop=shop)
        self.fields = fields
