"""Sessions with an access token, of which nothing may be shown."""

from datetime import UTC, datetime, timedelta

from shopify_session_storage import AssociatedUser, OnlineAccessInfo, Session

ACCESS, REFRESH = "shpat_0123456789abcdef", "shprt_0123456789abcdef"
NOW = datetime.now(UTC).replace(microsecond=0)
OFFLINE = Session(
    id="offline_alpha.myshopify.com",
    shop="alpha.myshopify.com",
    state="",
    is_online=False,
    scope="read_orders",
    expires=NOW + timedelta(hours=1),
    access_token=ACCESS,
    refresh_token=REFRESH,
    refresh_token_expires=NOW + timedelta(days=90),
)
ADA = AssociatedUser(7, "Ada", "Osei", "ada@shop.example", True, False, False, "en")
ONLINE = Session(
    id="alpha.myshopify.com_7",
    shop="alpha.myshopify.com",
    state="",
    is_online=True,
    scope="read_orders",
    expires=NOW + timedelta(hours=24),
    access_token=ACCESS,
    online_access_info=OnlineAccessInfo(ADA, associated_user_scope="read_orders"),
)
