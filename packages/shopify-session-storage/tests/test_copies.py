"""What is stored is a copy that shares nothing with its original, and has what storages keep."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st
from shopify_session_storage import AssociatedUser, OnlineAccessInfo
from shopify_session_storage.checks import _check_thoroughly, checked_session
from shopify_session_storage.stored import copy_session, stored_session
from shopify_session_storage.testing.strategies import sessions

from .checked import ANY_TEXT, TEXTS, USER_TEXTS, online, session


class Text(str):
    """As some libraries have it."""

    __slots__ = ()


def test_a_copy_shares_nothing():
    original = online(id=1, first_name="Ada")
    copy = copy_session(original)
    assert copy == original
    copy.state = "changed"
    copy.online_access_info.expires_in = 1
    copy.online_access_info.associated_user.first_name = "Bob"
    assert original == online(id=1, first_name="Ada")


@given(ANY_TEXT, st.none() | st.integers())
def test_a_copy_is_made_of_any_session_as_it_is(text, user):
    odd = replace(online(id=user), state=text)
    odd.expires = text
    assert copy_session(odd) == odd


def test_stored_dates_are_whole_milliseconds_in_utc():
    zone = timezone(timedelta(hours=5, minutes=30))
    date = datetime(2031, 5, 6, 7, 8, 9, 123999, tzinfo=zone)
    stored = stored_session(session(expires=date, refresh_token_expires=date))
    expected = datetime(2031, 5, 6, 1, 38, 9, 123000, tzinfo=UTC)
    for kept in (stored.expires, stored.refresh_token_expires):
        assert kept == expected
        assert kept.tzinfo is UTC


def test_users_are_kept_of_online_sessions_only_and_those_always_have_one():
    info = OnlineAccessInfo(AssociatedUser(id=1))
    offline = session(online_access_info=info)
    assert stored_session(offline).online_access_info is None
    assert offline.online_access_info is info
    nobody = session(is_online=True)
    assert stored_session(nobody).online_access_info == OnlineAccessInfo()
    assert nobody.online_access_info is None
    somebody = stored_session(session(is_online=True, online_access_info=info))
    assert somebody.online_access_info == info
    assert somebody.online_access_info is not info


@given(sessions(), st.sampled_from(["id", "shop", *TEXTS, *USER_TEXTS, "none"]), st.booleans())
def test_a_first_glance_comes_to_the_same_as_a_close_look(any_session, name, is_ascii):
    info = any_session.online_access_info
    if is_ascii:
        any_session.scope = any_session.state = "plain"
    for owner in (any_session, info, info.associated_user) if info else (any_session,):
        if isinstance(vars(owner).get(name), str):
            setattr(owner, name, Text(getattr(owner, name)))
    kept, size = checked_session(any_session)
    assert (kept, size) == (stored_session(any_session), _check_thoroughly(any_session))
    texts = [value for value in vars(kept).values() if isinstance(value, str)]
    kept_info = kept.online_access_info
    if kept_info is not None:
        assert kept_info is not info
        assert info is None or kept_info.associated_user is not info.associated_user
        users = vars(kept_info.associated_user).values()
        texts += [value for value in users if isinstance(value, str)]
    assert {type(text) for text in texts} == {str}
