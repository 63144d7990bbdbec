"""Sessions with an access token, of which nothing may be shown."""

import traceback
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


def frames_that_show(error, without=()):
    """Return the frames, in the whole chain, whose local variables show a token.

    Frames of the files *without* are left out: they are the test's own.
    """
    found, pending = [], [error]
    while pending:
        one = pending.pop()
        if one is not None:
            stack = traceback.TracebackException.from_exception(one, capture_locals=True).stack
            found += [
                frame.name
                for frame in stack
                if frame.filename not in without
                and any(token in str(frame.locals) for token in (ACCESS, REFRESH))
            ]
            pending += [one.__cause__, one.__context__]
    return found
