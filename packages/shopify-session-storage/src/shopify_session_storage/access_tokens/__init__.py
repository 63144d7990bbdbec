"""Access tokens that are never lost: stored, refreshed by one process at a time, never overwritten.

The database code that Shopify's ``shopifyapp`` package leaves to its users, on any storage::

    tokens = AccessTokenStore(storage, app=shopify)
    token = await tokens.get_or_exchange(verified)  # in a request, after verify_app_home_req()
    token = await tokens.get("my-shop")  # in a job or a webhook, when nobody is there
"""

from shopify_session_storage.access_tokens.conversion import (
    access_token_from_session,
    session_from_access_token,
)
from shopify_session_storage.access_tokens.errors import (
    AccessTokenError,
    MalformedTokenResponse,
    ReauthorizationRequired,
    RequestNotVerified,
    ShopUnavailable,
    TokenRefreshUnavailable,
)
from shopify_session_storage.access_tokens.store import AccessTokenStore
from shopify_session_storage.access_tokens.tokens import AccessToken, User
from shopify_session_storage.access_tokens.upkeep import RefreshDue, Report, ShopResult

__all__ = [
    "AccessToken",
    "AccessTokenError",
    "AccessTokenStore",
    "MalformedTokenResponse",
    "ReauthorizationRequired",
    "RefreshDue",
    "Report",
    "RequestNotVerified",
    "ShopResult",
    "ShopUnavailable",
    "TokenRefreshUnavailable",
    "User",
    "access_token_from_session",
    "session_from_access_token",
]
