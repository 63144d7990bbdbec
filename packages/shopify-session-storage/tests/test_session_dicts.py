"""Sessions as dicts in the shape of JavaScript."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from shopify_session_storage import (
    AssociatedUser,
    InvalidSessionError,
    OnlineAccessInfo,
    Session,
    SessionStorageError,
)

from .made_sessions import EPOCH, SESSIONS, session


def test_to_dict_has_the_shape_of_javascript():
    assert session().to_dict() == {
        "id": "shop.myshopify.com_1",
        "shop": "shop.myshopify.com",
        "state": "nonce",
        "isOnline": True,
        "scope": "read_products,write_orders",
        "expires": session().expires,
        "accessToken": "shpat_secret",
        "refreshToken": "shprt_secret",
        "refreshTokenExpires": session().refresh_token_expires,
        "onlineAccessInfo": {
            "expires_in": 86399,
            "associated_user_scope": "read_products",
            "associated_user": {
                "id": 1,
                "first_name": "Ada",
                "last_name": "Byron",
                "email": "a@x",
                "email_verified": True,
                "account_owner": False,
                "collaborator": False,
                "locale": "en",
            },
        },
    }


@given(SESSIONS)
def test_a_session_survives_as_a_dict_but_for_empty_texts(given_session):
    expected = replace(
        given_session,
        scope=given_session.scope or None,
        access_token=given_session.access_token or None,
        refresh_token=given_session.refresh_token or None,
    )
    data = given_session.to_dict()
    assert Session.from_dict(data) == expected
    assert Session.from_dict(data | {"version": 7, "access_token": "x"}) == expected


def test_dicts_may_hold_none_for_what_is_absent_and_whole_numbers_of_any_type():
    data = {"id": "i", "shop": "s", "state": "", "isOnline": True, "scope": None, "expires": None}
    for number in (7, 7.0, Decimal(7)):
        info = {"expires_in": number, "associated_user": {"id": number, "email": None}}
        made = Session.from_dict(data | {"onlineAccessInfo": info}).online_access_info
        assert made == OnlineAccessInfo(AssociatedUser(id=7), expires_in=7)
        assert type(made.expires_in) is type(made.associated_user.id) is int
    empty = Session.from_dict(data | {"onlineAccessInfo": {"associated_user": None}})
    assert empty.online_access_info == OnlineAccessInfo()


@pytest.mark.parametrize("key", ["id", "shop", "state", "isOnline"])
def test_dicts_need_what_every_session_has(key):
    data = session().to_dict()
    for value in (None, 1, b"x", []):
        with pytest.raises(InvalidSessionError, match=f"^{key} is "):
            Session.from_dict(data | {key: value})
    del data[key]
    with pytest.raises(InvalidSessionError, match=f"^{key} is missing$"):
        Session.from_dict(data)


@pytest.mark.parametrize(
    "wrong",
    [
        {"scope": ["read_products"]},
        {"accessToken": 1},
        {"refreshToken": b"token"},
        {"expires": 1936076889},
        {"expires": "2031-05-06T07:08:09"},
        {"expires": "soon"},
        {"expires": datetime(2031, 5, 6)},  # noqa: DTZ001
        {"refreshTokenExpires": EPOCH.date()},
        {"onlineAccessInfo": 5},
        {"onlineAccessInfo": {"associated_user": 5}},
        {"onlineAccessInfo": {"associated_user": {"id": 1.5}}},
        {"onlineAccessInfo": {"associated_user": {"id": "1"}}},
        {"onlineAccessInfo": {"associated_user": {"id": True}}},
        {"onlineAccessInfo": {"associated_user": {"id": float("nan")}}},
        {"onlineAccessInfo": {"associated_user": {"id": float("inf")}}},
        {"onlineAccessInfo": {"associated_user": {"first_name": 1}}},
        {"onlineAccessInfo": {"associated_user": {"email_verified": 1}}},
        {"onlineAccessInfo": {"expires_in": "86399"}},
        {"onlineAccessInfo": {"associated_user_scope": []}},
    ],
)
def test_dicts_with_values_of_another_type_are_refused(wrong):
    with pytest.raises(InvalidSessionError):
        Session.from_dict(session().to_dict() | wrong)


@pytest.mark.parametrize("data", [None, "session", [("id", "i")], session()])
def test_a_session_is_made_from_a_mapping_only(data):
    with pytest.raises(InvalidSessionError):
        Session.from_dict(data)


def test_refusals_are_value_errors_and_storage_errors():
    assert issubclass(InvalidSessionError, ValueError)
    assert issubclass(InvalidSessionError, SessionStorageError)
