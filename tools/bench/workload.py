"""What is measured: the operations, and the sessions that they work on.

``workload.cjs`` makes the same ids and shops from the same numbers.
"""

from datetime import UTC, datetime
from typing import Final

from shopify_session_storage import AssociatedUser, OnlineAccessInfo, Session

OPERATIONS: Final = {
    "store new": "store sessions that are not there",
    "store": "store sessions that are there",
    "load": "load sessions that are there",
    "load miss": "load sessions that are not there",
    "load hot": "load one and the same session",
    "find": "find the 5 sessions of a shop",
    "delete": "delete sessions, one a call",
    "delete 10": "delete sessions, ten a call",
}

ONCE: Final = ("store new", "delete", "delete 10")
"""What can be done only once with each session."""

SHOP_SIZE: Final = 5
_INPUTS: Final = 10_000
_STRIDE: Final = 7919  # prime: visits stored sessions in an order that no cache expects

_EXPIRES: Final = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
_REFRESH_EXPIRES: Final = datetime(2031, 8, 4, 3, 2, 1, tzinfo=UTC)


def shop_of(number: int) -> str:
    """Return the shop that session *number* belongs to: five numbers to each."""
    return f"bench-{number // SHOP_SIZE}.myshopify.com"


def id_of(number: int) -> str:
    """Return the id of session *number*: an offline one and four online ones to each shop."""
    shop = shop_of(number)
    user = number % SHOP_SIZE
    return f"offline_{shop}" if user == 0 else f"{shop}_{900000000 + user}"


def session_of(number: int) -> Session:
    """Return session *number*."""
    user = number % SHOP_SIZE
    online = user != 0
    return Session(
        id=id_of(number),
        shop=shop_of(number),
        state="",
        is_online=online,
        scope="read_customers,read_orders,write_products,write_themes",
        expires=_EXPIRES,
        access_token=f"shpat_{number:032x}",
        refresh_token=None if online else f"shprt_{number:032x}",
        refresh_token_expires=None if online else _REFRESH_EXPIRES,
        online_access_info=OnlineAccessInfo(
            AssociatedUser(
                id=900000000 + user,
                first_name="Ada",
                last_name="Lovelace",
                email="ada@shop.example",
                email_verified=True,
                account_owner=False,
                collaborator=True,
                locale="en",
            )
        )
        if online
        else None,
    )


def inputs(operation: str, count: int, stored: int) -> int:
    """Return how many inputs *count* calls need: those of what can be repeated are."""
    return count if operation in ONCE else min(count, stored, _INPUTS)


def number_of(operation: str, first: int, index: int, stored: int) -> int:
    """Return the session that call *index* of an operation is about.

    Args:
        operation: One of :data:`OPERATIONS`.
        first: Where new or doomed sessions begin.
        index: Of the call, from 0.
        stored: How many sessions are there throughout, from 0.
    """
    if operation in ("store new", "delete"):
        return first + index
    if operation == "delete 10":
        return first + 10 * index
    if operation == "load miss":
        return 10**9 + index
    if operation == "load hot":
        return 0
    return index * _STRIDE % stored
