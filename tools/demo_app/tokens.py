"""From the access tokens of Shopify's package to sessions, and back.

The package names a shop without ``.myshopify.com`` and gives dates as ISO strings; a session has
the full domain and datetimes.
"""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from shopify_app import TokenExchangeAccessToken, User
from shopify_session_storage import (
    AssociatedUser,
    OnlineAccessInfo,
    Session,
    offline_session_id,
    online_session_id,
    sanitize_shop,
)


def shop_domain(shop: str | None) -> str:
    """Return the full domain of a shop that the package names.

    Raises:
        ValueError: If it names none.
    """
    domain = sanitize_shop(shop or "")
    if domain is None:
        raise ValueError("the request does not name a shop")
    return domain


def session_from_access_token(token: TokenExchangeAccessToken) -> Session:
    """Return the session that keeps *token*.

    Raises:
        ValueError: If the token does not say whose it is.
    """
    shop = shop_domain(token.shop)
    user = token.user
    if token.access_mode == "online" and user is None:
        raise ValueError("an online access token came without its user")
    return Session(
        id=offline_session_id(shop) if user is None else online_session_id(shop, user.id),
        shop=shop,
        state="",
        is_online=user is not None,
        scope=token.scope,
        expires=_to_datetime(token.expires),
        access_token=token.token,
        refresh_token=token.refresh_token,
        refresh_token_expires=_to_datetime(token.refresh_token_expires),
        online_access_info=None if user is None else _info(user),
    )


def access_token_from_session(session: Session) -> dict[str, Any]:
    """Return the access token that *session* keeps, in the shape that the package takes."""
    info = session.online_access_info
    return {
        "shop": session.shop.removesuffix(".myshopify.com"),
        "token": session.access_token,
        "expires": _to_iso(session.expires),
        "scope": session.scope,
        "access_mode": "online" if session.is_online else "offline",
        "refresh_token": session.refresh_token,
        "refresh_token_expires": _to_iso(session.refresh_token_expires),
        "user": info and asdict(info.associated_user) | {"scope": info.associated_user_scope},
    }


def _info(user: User) -> OnlineAccessInfo:
    fields = asdict(user)  # the names are the same, but for the scope
    scope = fields.pop("scope")
    return OnlineAccessInfo(AssociatedUser(**fields), associated_user_scope=scope)


def _to_datetime(iso: str | None) -> datetime | None:
    return None if iso is None else datetime.fromisoformat(iso)


def _to_iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
