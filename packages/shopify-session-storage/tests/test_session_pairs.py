"""Sessions as property arrays: lists of pairs, as JavaScript writes them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shopify_session_storage import AssociatedUser, InvalidSessionError, OnlineAccessInfo, Session

from .made_sessions import DATES, EPOCH, SESSIONS, pairs, session


@given(SESSIONS)
def test_a_session_survives_as_pairs(given_session):
    if not given_session.is_online:
        given_session.online_access_info = None
    for name in ("expires", "refresh_token_expires"):  # JavaScript reads these dates as none
        if getattr(given_session, name) is not None:
            moved = max(getattr(given_session, name), EPOCH + timedelta(seconds=1))
            setattr(given_session, name, moved)
    given_session.refresh_token = given_session.refresh_token or None
    array = given_session.to_property_array(return_user_data=True)
    read = Session.from_property_array(array, return_user_data=True)
    assert read.equals(given_session)
    assert read.to_property_array(return_user_data=True) == array
    assert (read.online_access_info is not None) is given_session.is_online


@given(SESSIONS, st.booleans())
def test_pairs_hold_plain_values_and_never_none(given_session, flag):
    array = given_session.to_property_array(return_user_data=flag)
    assert {type(value) for _, value in array} <= {str, int, bool}
    assert [key for key, _ in array[:4]] == ["id", "shop", "state", "isOnline"]
    assert len(dict(array)) == len(array)


@given(DATES)
def test_dates_are_rounded_down_to_milliseconds(date):
    milliseconds = dict(session(expires=date).to_property_array())["expires"]
    exact = date - EPOCH
    assert timedelta(0) <= exact - timedelta(milliseconds=milliseconds) < timedelta(milliseconds=1)


def test_without_user_data_the_users_id_is_all_there_is_of_the_user():
    array = session().to_property_array()
    assert array[-1] == ("onlineAccessInfo", 1)
    read = Session.from_property_array(array)
    assert read.online_access_info == OnlineAccessInfo(AssociatedUser(id=1))


@pytest.mark.parametrize(
    "not_pairs",
    [None, 1, "pairs", b"pairs", {"id": "i"}, [1], ["i"], [None], [("id",)], [("id", "i", 1)]],
)
def test_what_is_no_list_of_pairs_is_refused(not_pairs):
    with pytest.raises(InvalidSessionError, match="list of pairs"):
        Session.from_property_array(not_pairs)


def test_keys_are_strings():
    with pytest.raises(InvalidSessionError, match="list of pairs"):
        Session.from_property_array([*pairs(), (1, "x")])


def test_pairs_may_come_from_any_iterables():
    read = Session.from_property_array(iter([list(pair) for pair in pairs()]))
    assert read.equals(Session(id="i", shop="s", state="", is_online=True))


def test_numbers_too_large_for_javascript_are_refused():
    for huge in (10**400, str(10**400), "-" + "9" * 5000):
        for field in ("expires", "refreshTokenExpires", "userId"):
            with pytest.raises(InvalidSessionError):
                Session.from_property_array(pairs(**{field: huge}), True)


@given(
    st.dictionaries(
        st.sampled_from([key for key, _ in session().to_property_array(True)]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.binary()
        | st.lists(st.integers())
        | st.dictionaries(st.text(), st.text()),
    ),
    st.booleans(),
)
def test_odd_pairs_make_a_session_or_are_refused(values, flag):
    try:
        read = Session.from_property_array(pairs(**values), flag)
    except InvalidSessionError:
        return
    again = Session.from_property_array(read.to_property_array(flag), flag)
    assert again.is_online is read.is_online
