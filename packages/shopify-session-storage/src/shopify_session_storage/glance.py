"""Tells at first glance that a session is storable, as nearly all are."""

from datetime import UTC, datetime
from typing import Final

from shopify_session_storage.limits import (
    FIRST_DATE,
    LAST_DATE,
    MAX_KEY_CHARACTERS,
    MAX_SAFE_INTEGER,
    MAX_SESSION_BYTES,
    RESERVED_IDS,
)
from shopify_session_storage.session import AssociatedUser, OnlineAccessInfo, Session

_FLAG_TYPES: Final = (bool, type(None))
_ONLY_PLAIN: Final = frozenset((str,))


def is_usual_key(key: object) -> bool:
    """Tell at first glance whether something can be a session's id or a shop."""
    return (
        type(key) is str
        and 0 < len(key) <= MAX_KEY_CHARACTERS
        and key.isascii()
        and "\0" not in key
        and key not in RESERVED_IDS
        and not key.startswith("shop:")
    )


def size_if_usual(session: Session) -> int | None:
    """Return the size of what is storable at first glance, in a fraction of the time.

    Returns:
        None if it takes a closer look to tell. What has a size has no text but plain str.
    """
    if type(session) is not Session or type(session.is_online) is not bool:
        return None
    id, shop = session.id, session.shop
    scope, access, refresh = session.scope, session.access_token, session.refresh_token
    texts = [
        id,
        shop,
        session.state,
        "" if scope is None else scope,
        "" if access is None else access,
        "" if refresh is None else refresh,
    ]
    info = session.online_access_info
    if info is not None:
        if not _is_usual_info(info):
            return None
        user = info.associated_user
        first, last, email, locale = user.first_name, user.last_name, user.email, user.locale
        texts += (
            "" if first is None else first,
            "" if last is None else last,
            "" if email is None else email,
            "" if locale is None else locale,
        )
    try:
        text = "".join(texts)
    except TypeError:
        return None
    size = len(text)
    if (
        _ONLY_PLAIN.issuperset(map(type, texts))
        and text.isascii()
        and "\0" not in text
        and size <= MAX_SESSION_BYTES
        and 0 < len(id) <= MAX_KEY_CHARACTERS
        and 0 < len(shop) <= MAX_KEY_CHARACTERS
        and id != shop
        and id not in RESERVED_IDS
        and not id.startswith("shop:")
        and shop != "migrations"
        and _is_usual_date(session.expires)
        and _is_usual_date(session.refresh_token_expires)
    ):
        return size
    return None


def _is_usual_info(info: object) -> bool:
    if type(info) is not OnlineAccessInfo:
        return False
    user: object = info.associated_user
    if info.expires_in is not None or info.associated_user_scope is not None:
        return False
    return (
        type(user) is AssociatedUser
        and (user.id is None or (type(user.id) is int and 0 <= user.id <= MAX_SAFE_INTEGER))
        and type(user.email_verified) in _FLAG_TYPES
        and type(user.account_owner) in _FLAG_TYPES
        and type(user.collaborator) in _FLAG_TYPES
    )


def _is_usual_date(date: object) -> bool:
    return date is None or (
        type(date) is datetime and date.tzinfo is UTC and FIRST_DATE <= date <= LAST_DATE
    )
