"""Sessions with one thing changed, and values at the borders of what may be stored."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st
from shopify_session_storage import AssociatedUser, OnlineAccessInfo, Session

FIRST = datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DATES = ["expires", "refresh_token_expires"]
TEXTS = ["state", "scope", "access_token", "refresh_token"]
USER_TEXTS = ["first_name", "last_name", "email", "locale"]
FLAGS = ["email_verified", "account_owner", "collaborator"]
STORABLE = st.text(st.characters(exclude_characters="\0", codec="utf-8"))
ANY_TEXT = st.text(st.characters(exclude_categories=()))


def session(**changes):
    values = {"id": "offline_s", "shop": "s", "state": "", "is_online": False}
    return Session(**values | changes)


def online(**user):
    info = OnlineAccessInfo(AssociatedUser(**user))
    return session(id="s_1", is_online=True, online_access_info=info)


def with_field(name, value):
    """Set a field as an app may, past the checks of the constructor."""
    changed = online(id=1)
    for owner in (
        changed,
        changed.online_access_info,
        changed.online_access_info.associated_user,
    ):
        if name in vars(owner) and (owner is not changed.online_access_info or name != "id"):
            setattr(owner, name, value)
            return changed
    raise AssertionError(name)


def with_user_id(value):
    return online(id=value)
