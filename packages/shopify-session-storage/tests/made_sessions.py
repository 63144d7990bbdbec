"""Sessions of every kind, as Session itself takes them."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import strategies as st
from shopify_session_storage import AssociatedUser, OnlineAccessInfo, Session

OFFSETS = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(timezone)
DATES = st.datetimes(timezones=OFFSETS, allow_imaginary=False)
SAFE_INTEGERS = st.integers(0, 2**53 - 1)
USERS = st.builds(
    AssociatedUser,
    id=st.none() | SAFE_INTEGERS,
    first_name=st.none() | st.text(),
    last_name=st.none() | st.text(),
    email=st.none() | st.text(),
    email_verified=st.none() | st.booleans(),
    account_owner=st.none() | st.booleans(),
    collaborator=st.none() | st.booleans(),
    locale=st.none() | st.text(),
)
INFOS = st.builds(
    OnlineAccessInfo,
    associated_user=USERS,
    expires_in=st.none() | SAFE_INTEGERS,
    associated_user_scope=st.none() | st.text(),
)
SESSIONS = st.builds(
    Session,
    id=st.text(),
    shop=st.text(),
    state=st.text(),
    is_online=st.booleans(),
    scope=st.none() | st.text(),
    expires=st.none() | DATES,
    access_token=st.none() | st.text(),
    refresh_token=st.none() | st.text(),
    refresh_token_expires=st.none() | DATES,
    online_access_info=st.none() | INFOS,
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def session(**changes):
    values = {
        "id": "shop.myshopify.com_1",
        "shop": "shop.myshopify.com",
        "state": "nonce",
        "is_online": True,
        "scope": "read_products,write_orders",
        "expires": datetime(2031, 5, 6, 7, 8, 9, 123000, tzinfo=UTC),
        "access_token": "shpat_secret",
        "refresh_token": "shprt_secret",
        "refresh_token_expires": datetime(2031, 8, 4, 3, 2, 1, tzinfo=UTC),
        "online_access_info": OnlineAccessInfo(
            associated_user=AssociatedUser(1, "Ada", "Byron", "a@x", True, False, False, "en"),
            expires_in=86399,
            associated_user_scope="read_products",
        ),
    }
    return Session(**values | changes)


def pairs(**values):
    return list({"id": "i", "shop": "s", "state": "", "isOnline": True, **values}.items())
