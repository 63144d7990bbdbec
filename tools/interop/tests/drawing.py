"""Sessions with all that JavaScript might store, and more."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from shopify_session_storage import OnlineAccessInfo
from shopify_session_storage.testing.strategies import sessions


@st.composite
def any_sessions(draw):
    """Draw sessions with milliseconds, response fields, and users where there should be none."""
    session = draw(sessions())
    milliseconds = st.integers(0, 999).map(lambda count: timedelta(milliseconds=count))
    for name in ("expires", "refresh_token_expires"):
        if (date := getattr(session, name)) is not None:
            setattr(session, name, date + draw(milliseconds))
    info = session.online_access_info
    if info is not None:
        info.expires_in = draw(st.none() | st.integers(0, 2**31))
        info.associated_user_scope = draw(st.none() | st.just("") | st.just("read_products"))
    if draw(st.integers(0, 9)) == 0:
        # Such as an adapter must cope with, though no app makes them.
        session.online_access_info = None if session.is_online else OnlineAccessInfo()
    return session


def until(latest, session):
    """Return the session with no date after the latest one, if there is one."""
    if latest is None:
        return session
    dates = {name: getattr(session, name) for name in ("expires", "refresh_token_expires")}
    return replace(session, **{name: date and min(date, latest) for name, date in dates.items()})


def drawn(count):
    """Return so many of them."""
    found = []

    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(any_sessions())
    def collect(session):
        found.append(session)

    collect()
    return found
