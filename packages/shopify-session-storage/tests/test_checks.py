"""What may be stored, at the borders of every rule."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shopify_session_storage import (
    AssociatedUser,
    InvalidSessionError,
    OnlineAccessInfo,
    Session,
    check_session,
    check_session_id,
    check_session_ids,
    check_shop,
)
from shopify_session_storage.checks import _check_thoroughly
from shopify_session_storage.glance import is_usual_key
from shopify_session_storage.stored import copy_session, stored_session
from shopify_session_storage.testing.strategies import sessions

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


# --- ids and shops --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        "a",
        " ",
        "a" * 255,
        "é" * 250,  # 500 bytes
        "🛍" * 125,  # 500 bytes
        "Migrations",
        "migrations ",
        "...",
        "SHOP:x",
        "offline_shop:x",
        "\x01\n\x7f",
    ],
)
def test_any_text_of_255_characters_and_500_bytes_is_an_id_and_a_shop(key):
    check_session_id(key)
    check_shop(key)


@pytest.mark.parametrize(
    "key",
    ["", "a" * 256, "é" * 250 + "a", "🛍" * 125 + "a", "a\0", "\0", "\ud800", "a\udfff"],
)
@pytest.mark.parametrize("check", [check_session_id, check_shop])
def test_longer_or_unstorable_text_is_neither_an_id_nor_a_shop(check, key):
    with pytest.raises(InvalidSessionError):
        check(key)


@pytest.mark.parametrize("key", [None, 1, b"id", ["id"]])
@pytest.mark.parametrize("check", [check_session_id, check_shop])
def test_ids_and_shops_are_str(check, key):
    with pytest.raises(TypeError):
        check(key)


def test_ids_that_a_layout_needs_for_itself_are_reserved():
    for id in ("migrations", ".", "..", "shop:", "shop:a.myshopify.com"):
        with pytest.raises(InvalidSessionError, match="reserved"):
            check_session_id(id)
    with pytest.raises(InvalidSessionError, match="reserved"):
        check_shop("migrations")
    for shop in (".", "..", "shop:a"):
        check_shop(shop)


def test_a_session_has_another_id_than_its_shop():
    check_session(session(id="a", shop="b"))
    with pytest.raises(InvalidSessionError, match="own shop"):
        check_session(session(id="a", shop="a"))


@given(st.lists(st.sampled_from(["a", "b", "c", "d"])))
def test_ids_are_returned_once_in_their_order(ids):
    assert check_session_ids(iter(ids)) == list(dict.fromkeys(ids))


@pytest.mark.parametrize("ids", ["id", b"id", None, 1, [1], [b"id"], [None], [["id"]]])
def test_ids_are_an_iterable_of_str(ids):
    with pytest.raises(TypeError):
        check_session_ids(ids)


def test_one_bad_id_is_enough():
    with pytest.raises(InvalidSessionError):
        check_session_ids(["good", ""])


# --- sessions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", DATES)
def test_dates_lie_from_the_first_second_to_the_last_millisecond(field):
    for date in (FIRST, LAST):
        check_session(session(**{field: date}))
        check_session(session(**{field: date.astimezone(timezone(-timedelta(hours=1)))}))
    for date in (FIRST - MICROSECOND, LAST + MICROSECOND):
        with pytest.raises(InvalidSessionError, match=f"^{field} must lie between"):
            check_session(session(**{field: date}))


@pytest.mark.parametrize("field", DATES)
@pytest.mark.parametrize("minutes", [-24 * 60 + 1, -12 * 60, -1, 0, 1, 14 * 60, 24 * 60 - 1])
def test_offsets_count_also_where_utc_has_no_such_date(field, minutes):
    zone = timezone(timedelta(minutes=minutes))
    last = session(**{field: LAST.replace(tzinfo=zone)})
    if minutes < 0:
        with pytest.raises(InvalidSessionError):
            check_session(last)
    else:
        check_session(last)
        assert stored_session(last).equals(last)
    with pytest.raises(InvalidSessionError):
        check_session(session(**{field: datetime.min.replace(tzinfo=zone)}))


@pytest.mark.parametrize("field", DATES)
def test_dates_set_later_are_checked_as_well(field):
    with pytest.raises(ValueError, match="timezone-aware"):
        check_session(with_field(field, datetime(2031, 5, 6)))  # noqa: DTZ001
    with pytest.raises(TypeError, match=field):
        check_session(with_field(field, 1936076889))


def test_integers_are_those_that_javascript_keeps_exactly():
    for value in (None, 0, 1, 2**53 - 1):
        check_session(online(id=value))
        check_session(with_field("expires_in", value))
    for value in (-1, 2**53, 10**400):
        with pytest.raises(InvalidSessionError):
            check_session(online(id=value))
        with pytest.raises(InvalidSessionError):
            check_session(with_field("expires_in", value))
    for value in (True, 1.0, "1", b"1"):
        with pytest.raises(TypeError):
            check_session(online(id=value))
        with pytest.raises(TypeError):
            check_session(with_field("expires_in", value))


@pytest.mark.parametrize("field", [*TEXTS, *USER_TEXTS, "associated_user_scope"])
def test_every_text_is_storable_text(field):
    for text in ("", " ", "Zoë 🛍", "a'\"\\\n", "\ufffe"):
        check_session(with_field(field, text))
    for text in ("\0", "a\0b", "\ud800", "\udc00 "):
        with pytest.raises(InvalidSessionError, match=f"^{field} must not contain"):
            check_session(with_field(field, text))
    for value in (1, b"text", ["text"], False):
        with pytest.raises(TypeError, match=f"^{field} must be a str"):
            check_session(with_field(field, value))


@pytest.mark.parametrize("field", ["is_online", *FLAGS])
def test_flags_are_bool(field):
    for value in (True, False):
        check_session(with_field(field, value))
    for value in (0, 1, "true", []):
        with pytest.raises(TypeError, match=f"^{field} must be a bool"):
            check_session(with_field(field, value))


@pytest.mark.parametrize("field", ["id", "shop", "state", "is_online"])
def test_what_every_session_has_is_not_none(field):
    changed = session()
    setattr(changed, field, None)
    with pytest.raises(TypeError, match=f"^{field} must be"):
        check_session(changed)


@pytest.mark.parametrize(
    "changed",
    [None, "session", session().to_dict(), Session],
)
def test_only_sessions_are_sessions(changed):
    with pytest.raises(TypeError, match="must be a Session"):
        check_session(changed)


def test_users_have_their_own_types():
    with pytest.raises(TypeError, match="online_access_info"):
        check_session(session(online_access_info={"associated_user": {"id": 1}}))
    with pytest.raises(TypeError, match="associated_user"):
        check_session(session(online_access_info=OnlineAccessInfo({"id": 1})))


@pytest.mark.parametrize("field", [*TEXTS, *USER_TEXTS, "associated_user_scope"])
@pytest.mark.parametrize("character", ["a", "é", "🛍"])
def test_all_text_together_takes_300_000_bytes(field, character):
    room = 300_000 - check_session(with_field(field, ""))
    text = character * (room // len(character.encode()))
    text += "a" * (room - len(text.encode()))
    assert check_session(with_field(field, text)) == 300_000
    with pytest.raises(InvalidSessionError, match="300001 bytes"):
        check_session(with_field(field, text + "a"))


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(TEXTS, STORABLE)), STORABLE, STORABLE)
def test_the_size_is_that_of_all_text_in_utf_8(texts, name, scope):
    stored = online(first_name=name)
    stored.online_access_info.associated_user_scope = scope
    for field, text in texts.items():
        setattr(stored, field, text)
    given_texts = (stored.id, stored.shop, name, scope, *texts.values())
    assert check_session(stored) == sum(len(text.encode()) for text in given_texts)


STRANGE = st.sampled_from(
    [None, "", "x", "é", "\0", "\ud800", "s", "migrations", "shop:x", "a" * 256, "a" * 300_000, 0,
     1, -1, 2**53, True, False, b"x", [], {}, FIRST, LAST, FIRST - MICROSECOND, LAST + MICROSECOND,
     LAST.replace(tzinfo=None), FIRST.astimezone(timezone(timedelta(hours=1))), OnlineAccessInfo(),
     OnlineAccessInfo(AssociatedUser(), 5, "x"), OnlineAccessInfo(None)]
)  # fmt: skip


def outcome(check, changed):
    try:
        return check(changed)
    except (TypeError, ValueError) as error:
        return type(error), str(error)


@given(sessions(), st.data())
def test_what_is_told_at_first_glance_is_what_a_closer_look_tells(changed, data):
    for _ in range(data.draw(st.integers(0, 2))):
        info = changed.online_access_info
        owners = [changed, info, info.associated_user] if type(info) is OnlineAccessInfo else []
        owner = data.draw(st.sampled_from(list(filter(None, owners)) or [changed]))
        setattr(owner, data.draw(st.sampled_from([*vars(owner)])), data.draw(STRANGE))
    assert outcome(check_session, changed) == outcome(_check_thoroughly, changed)


@given(
    STRANGE
    | ANY_TEXT
    | st.text("ab:sho.p\0", max_size=6)
    | st.text("a", min_size=254, max_size=257)
)
def test_a_key_that_is_usual_at_first_glance_passes_the_checks(key):
    if is_usual_key(key):
        check_session_id(key)
        check_shop(key)
        assert type(key) is str


# --- messages -------------------------------------------------------------------------------------

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


# --- copies ---------------------------------------------------------------------------------------


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
