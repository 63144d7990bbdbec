"""Sessions are equal if all is equal that storages keep."""

from dataclasses import replace
from datetime import timedelta, timezone

import pytest
from shopify_session_storage import AssociatedUser, OnlineAccessInfo

from .made_sessions import session


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "other"},
        {"shop": "other"},
        {"state": ""},
        {"is_online": False},
        {"scope": "write_orders,read_products"},
        {"scope": None},
        {"expires": None},
        {"expires": session().expires + timedelta(milliseconds=1)},
        {"access_token": "other"},
        {"access_token": None},
        {"refresh_token": ""},
        {"refresh_token_expires": None},
        {"online_access_info": None},
    ],
)
def test_every_field_counts_for_equality(changes):
    assert session().equals(session())
    assert not session().equals(session(**changes))
    assert not session(**changes).equals(session())


@pytest.mark.parametrize("field", list(vars(AssociatedUser())))
def test_every_field_of_the_user_counts_for_equality(field):
    user = replace(session().online_access_info.associated_user, **{field: None})
    assert not session().equals(session(online_access_info=OnlineAccessInfo(user)))


def test_what_storages_do_not_keep_does_not_count_for_equality():
    user = session().online_access_info.associated_user
    assert session().equals(session(online_access_info=OnlineAccessInfo(user)))
    elsewhere = session().expires.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert session().equals(session(expires=elsewhere))
    assert session().equals(session(expires=session().expires + timedelta(microseconds=999)))
    nobody = session(online_access_info=OnlineAccessInfo())
    assert nobody.equals(session(online_access_info=None))


@pytest.mark.parametrize("other", [None, "session", {}, session().to_dict()])
def test_a_session_equals_sessions_only(other):
    assert session().equals(other) is False


def test_users_are_not_shared_between_sessions():
    assert OnlineAccessInfo().associated_user is not OnlineAccessInfo().associated_user
