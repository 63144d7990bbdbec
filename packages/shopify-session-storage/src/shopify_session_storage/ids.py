"""Session ids and shop domains, in the form that Shopify's JavaScript packages use."""

import re

_NAME = r"([a-z0-9][a-z0-9_-]*)"
_ACCEPTED = tuple(
    re.compile(pattern)
    for pattern in (
        _NAME,
        rf"(?:https?://)?{_NAME}\.myshopify\.com(?:[/?#].*)?",
        rf"(?:https?://)?admin\.shopify\.com/store/{_NAME}(?:[/?#].*)?",
    )
)


def offline_session_id(shop: str) -> str:
    """Return the id of the offline session of *shop* (``example.myshopify.com``)."""
    return f"offline_{shop}"


def online_session_id(shop: str, user_id: int | str) -> str:
    """Return the id of the online session of a user of *shop* in an embedded app."""
    return f"{shop}_{user_id}"


def sanitize_shop(shop: str) -> str | None:
    """Return the canonical domain of a shop, or None if *shop* does not name one.

    Accepts ``my-shop``, ``my-shop.myshopify.com`` and URLs of either, in any case, and
    ``admin.shopify.com/store/my-shop``. Only domains directly under ``myshopify.com`` pass, so
    what merely looks like one (``my-shop.myshopify.com.evil.example``, a user or a port in the
    URL) does not.

    Raises:
        TypeError: If *shop* is not a str.
    """
    if not isinstance(shop, str):
        raise TypeError(f"shop must be a str, not {type(shop).__name__}")
    # Only ASCII: str.lower() turns the Kelvin sign, for one, into a plain "k".
    if not shop.isascii():
        return None
    given = shop.strip().lower()
    for pattern in _ACCEPTED:
        if match := pattern.fullmatch(given):
            return f"{match[1]}.myshopify.com"
    return None
