"""No message about a session that is wrong shows a token."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shopify_session_storage import InvalidSessionError, OnlineAccessInfo, Session, check_session

from .checked import FIRST, MICROSECOND, with_field

TOKENS = st.text("0123456789abcdef", min_size=12).map("shpat_{}".format)
SPOILT = st.sampled_from(
    [
        lambda token: token + "\0",
        lambda token: token + "\ud800",
        lambda token: token.encode(),
        lambda token: [token],
        lambda token: {token: token},
        lambda token: token * 20_000,
    ]
)
WRONG = {
    "id": ["", "a" * 256, 1, None, "shop:x"],
    "shop": ["", "\0", None, "s_1"],
    "state": [None, 1, "\0"],
    "is_online": [None, "true"],
    "scope": ["\0", 1],
    "expires": [FIRST - MICROSECOND, 0],
    "email": ["\0", 1],
    "online_access_info": [{}, OnlineAccessInfo({})],
}


@given(TOKENS, SPOILT, st.sampled_from(["access_token", "refresh_token"]))
def test_no_message_shows_a_token_that_is_wrong(token, spoil, field):
    with pytest.raises((TypeError, InvalidSessionError)) as caught:
        check_session(with_field(field, spoil(token)))
    assert_no_token(caught.value, token)


@given(TOKENS, st.sampled_from([(field, value) for field in WRONG for value in WRONG[field]]))
def test_no_message_shows_the_token_of_a_session_that_is_wrong(token, wrong):
    spoilt = with_field(*wrong)
    spoilt.access_token = spoilt.refresh_token = token
    with pytest.raises((TypeError, InvalidSessionError)) as caught:
        check_session(spoilt)
    assert_no_token(caught.value, token)


@given(TOKENS, SPOILT, st.sampled_from(["accessToken", "refreshToken", "expires", "userId"]))
def test_no_message_shows_a_token_that_cannot_be_read(token, spoil, key):
    entries = [("id", "i"), ("shop", "s"), ("state", ""), ("isOnline", True), (key, spoil(token))]
    for made_from, data in (
        (Session.from_property_array, entries),
        (Session.from_dict, dict(entries)),
        (Session.from_property_array, token),
        (Session.from_property_array, [token]),
        (Session.from_dict, token),
    ):
        try:
            made_from(data)
        except InvalidSessionError as error:
            assert_no_token(error, token)


def assert_no_token(error, token):
    while error is not None:
        assert token not in f"{error} {error!r} {error.args!r} {vars(error)!r}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
