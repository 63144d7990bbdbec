"""Session: its dates, its conversions and its equality."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shopify_session_storage import (
    AssociatedUser,
    AuthScopes,
    InvalidSessionError,
    OnlineAccessInfo,
    Session,
    SessionStorageError,
)

OFFSETS = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(timezone)
DATES = st.datetimes(timezones=OFFSETS, allow_imaginary=False)
SAFE_INTEGERS = st.integers(0, 2**53 - 1)
USERS = st.builds(
    AssociatedUser,
    id=st.none() | SAFE_INTEGERS,
    first_name=st.none() | st.text(),
    last_name=st.none() | st.text(),
    email=st.none() | st.text(),
    email_verified=st.none() | st.booleans(),
    account_owner=st.none() | st.booleans(),
    collaborator=st.none() | st.booleans(),
    locale=st.none() | st.text(),
)
INFOS = st.builds(
    OnlineAccessInfo,
    associated_user=USERS,
    expires_in=st.none() | SAFE_INTEGERS,
    associated_user_scope=st.none() | st.text(),
)
SESSIONS = st.builds(
    Session,
    id=st.text(),
    shop=st.text(),
    state=st.text(),
    is_online=st.booleans(),
    scope=st.none() | st.text(),
    expires=st.none() | DATES,
    access_token=st.none() | st.text(),
    refresh_token=st.none() | st.text(),
    refresh_token_expires=st.none() | DATES,
    online_access_info=st.none() | INFOS,
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def session(**changes):
    values = {
        "id": "shop.myshopify.com_1",
        "shop": "shop.myshopify.com",
        "state": "nonce",
        "is_online": True,
        "scope": "read_products,write_orders",
        "expires": datetime(2031, 5, 6, 7, 8, 9, 123000, tzinfo=UTC),
        "access_token": "shpat_secret",
        "refresh_token": "shprt_secret",
        "refresh_token_expires": datetime(2031, 8, 4, 3, 2, 1, tzinfo=UTC),
        "online_access_info": OnlineAccessInfo(
            associated_user=AssociatedUser(1, "Ada", "Byron", "a@x", True, False, False, "en"),
            expires_in=86399,
            associated_user_scope="read_products",
        ),
    }
    return Session(**values | changes)


def pairs(**values):
    return list({"id": "i", "shop": "s", "state": "", "isOnline": True, **values}.items())


# --- dates and tokens -----------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["expires", "refresh_token_expires"])
def test_dates_need_a_time_zone(field):
    with pytest.raises(ValueError, match=f"^{field} must be timezone-aware$"):
        session(**{field: datetime(2031, 5, 6)})  # noqa: DTZ001


@pytest.mark.parametrize("field", ["expires", "refresh_token_expires"])
@pytest.mark.parametrize("value", [0, 1936076889, "2031-05-06T07:08:09Z", EPOCH.date()])
def test_dates_are_datetimes(field, value):
    with pytest.raises(TypeError, match=f"^{field} must be a datetime"):
        session(**{field: value})


def test_repr_shows_no_token():
    shown = repr(session())
    assert "secret" not in shown
    assert "shop.myshopify.com_1" in shown


def test_an_access_token_expires_at_its_date():
    now = datetime.now(UTC)
    assert session(expires=now - MINUTE).is_expired()
    assert not session(expires=now + MINUTE).is_expired()
    assert not session(expires=None).is_expired()


def test_an_access_token_may_count_as_expired_ahead_of_its_date():
    soon = session(expires=datetime.now(UTC) + 10 * MINUTE)
    assert soon.is_expired(within=11 * MINUTE)
    assert not soon.is_expired(within=9 * MINUTE)
    assert not session(expires=None).is_expired(within=timedelta.max)


@pytest.mark.parametrize("within", [timedelta.min, timedelta(0), timedelta.max])
def test_no_date_is_too_far_away_to_compare(within):
    assert session(expires=datetime.min.replace(tzinfo=UTC)).is_expired() is True
    assert session(expires=datetime.max.replace(tzinfo=UTC)).is_expired() is False
    for zone in (timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))):
        session(expires=datetime.min.replace(tzinfo=zone)).is_expired(within)
        session(expires=datetime.max.replace(tzinfo=zone)).is_expired(within)


class ClocksGoBack(tzinfo):
    """Half an hour from now clocks went back by an hour."""

    def __init__(self):
        self.change = datetime.now(UTC).replace(tzinfo=None) + timedelta(minutes=30)

    def utcoffset(self, date):
        return timedelta(hours=0 if date.replace(tzinfo=None) >= self.change else 1)


def test_within_is_elapsed_time_also_where_clocks_change():
    expires = datetime.now(UTC).replace(tzinfo=ClocksGoBack()) + timedelta(hours=1)
    assert not session(expires=expires).is_expired(within=timedelta(minutes=50))
    assert session(expires=expires).is_expired(within=timedelta(minutes=70))


def test_an_active_session_has_a_token_that_does_not_expire_now_and_the_scopes():
    now = datetime.now(UTC)
    assert session().is_active()
    assert session(expires=None).is_active("read_orders")
    assert session().is_active(["read_products", "write_orders"])
    assert not session().is_active("write_products")
    assert not session(access_token=None).is_active()
    assert not session(access_token="").is_active()
    assert not session(expires=now + timedelta(milliseconds=400)).is_active()
    assert not session(expires=now + MINUTE).is_active(within=2 * MINUTE)


def test_scopes_are_changed_if_one_is_missing():
    assert not session().is_scope_changed(None)
    assert not session().is_scope_changed("read_orders")
    assert session().is_scope_changed("read_orders,read_themes")
    assert session(scope=None).is_scope_changed("read_orders")
    assert session().is_scope_included(AuthScopes("read_products"))
    assert not session(scope="").is_scope_included(["read_products"])


# --- equality -------------------------------------------------------------------------------------


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


# --- dicts ----------------------------------------------------------------------------------------


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


# --- property arrays ------------------------------------------------------------------------------


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
