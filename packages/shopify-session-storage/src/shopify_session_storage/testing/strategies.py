"""Hypothesis strategies for sessions. Needs the package ``hypothesis``."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from shopify_session_storage.session import AssociatedUser, OnlineAccessInfo, Session
from shopify_session_storage.testing.sessions import unique

_text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)
_maybe_text = st.none() | _text
_flags = st.none() | st.booleans()
_dates = st.none() | st.datetimes(
    min_value=datetime(1970, 1, 1, 0, 0, 1),  # noqa: DTZ001  # naive by hypothesis's rule
    max_value=datetime(9999, 12, 31, 23, 59, 59),  # noqa: DTZ001
    timezones=st.just(UTC),
).map(lambda date: date.replace(microsecond=0))
_users = st.builds(
    AssociatedUser,
    id=st.none() | st.integers(0, 2**53 - 1),
    first_name=_maybe_text,
    last_name=_maybe_text,
    email=_maybe_text,
    email_verified=_flags,
    account_owner=_flags,
    collaborator=_flags,
    locale=_maybe_text,
)


@st.composite
def sessions(draw: st.DrawFn) -> Session:
    """Draw a session that every storage accepts, with an id and a shop that no other test uses.

    Dates are in whole seconds, which every layout keeps, and only online sessions have user data,
    so that what comes back ``equals`` what was stored.
    """
    is_online = draw(st.booleans())
    return Session(
        id=unique("id") + draw(_text),
        shop=unique("shop") + draw(_text),
        state=draw(_text),
        is_online=is_online,
        scope=draw(_maybe_text),
        expires=draw(_dates),
        access_token=draw(_maybe_text),
        refresh_token=draw(_maybe_text),
        refresh_token_expires=draw(_dates),
        online_access_info=OnlineAccessInfo(draw(_users)) if is_online else None,
    )
