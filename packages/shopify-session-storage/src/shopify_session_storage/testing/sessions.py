"""Sessions to test with."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from shopify_session_storage.session import AssociatedUser, OnlineAccessInfo, Session

EXPIRES = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
REFRESH_EXPIRES = datetime(2031, 8, 4, 3, 2, 1, tzinfo=UTC)


def unique(prefix: str) -> str:
    """Return a name that no other test uses."""
    return f"{prefix}-{uuid4().hex}"


def offline_session(shop: str, **changes: Any) -> Session:
    """Return an offline session of *shop* with an expiring token, every field set."""
    values: dict[str, Any] = {
        "id": f"offline_{shop}",
        "shop": shop,
        "state": "nonce",
        "is_online": False,
        "scope": "read_products,write_orders",
        "expires": EXPIRES,
        "access_token": f"shpat_{uuid4().hex}",
        "refresh_token": f"shprt_{uuid4().hex}",
        "refresh_token_expires": REFRESH_EXPIRES,
    }
    return Session(**values | changes)


def online_session(shop: str, user_id: int = 902541635, **changes: Any) -> Session:
    """Return an online session of a user of *shop*, with all data about the user."""
    values: dict[str, Any] = {
        "id": f"{shop}_{user_id}",
        "shop": shop,
        "state": "",
        "is_online": True,
        "scope": "read_products",
        "expires": EXPIRES,
        "access_token": f"shpua_{uuid4().hex}",
        "online_access_info": OnlineAccessInfo(
            associated_user=AssociatedUser(
                id=user_id,
                first_name="Ada",
                last_name="Lovelace",
                email="ada@shop.example",
                email_verified=True,
                account_owner=False,
                collaborator=True,
                locale="en",
            ),
            expires_in=86399,
            associated_user_scope="read_products",
        ),
    }
    return Session(**values | changes)
