"""From the JSON that Shopify's token endpoint answers to the shape of Shopify's package."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any


def from_answer(answer: Mapping[str, Any], shop: str | None) -> dict[str, Any]:
    """Return the token of *answer*, to an authorization code grant for one.

    A lifetime that cannot be is left in place of the date, where the next look finds it.

    Args:
        answer: The JSON, with ``access_token`` and, if it expires, ``expires_in`` in seconds.
        shop: The shop, which the answer does not name.
    """
    now = datetime.now(UTC)
    user = answer.get("associated_user")
    if isinstance(user, Mapping):
        user = {**user, "scope": answer.get("associated_user_scope")}
    return {
        "shop": shop,
        "token": answer["access_token"],
        "expires": _after(now, answer.get("expires_in")),
        "scope": answer.get("scope"),
        "access_mode": "offline" if "associated_user" not in answer else "online",
        "refresh_token": answer.get("refresh_token"),
        "refresh_token_expires": _after(now, answer.get("refresh_token_expires_in")),
        "user": user,
    }


def _after(now: datetime, seconds: Any) -> Any:
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not number or not math.isfinite(seconds):
        return seconds
    try:
        return (now + timedelta(seconds=seconds)).isoformat()
    except OverflowError:
        return seconds
