"""What a session may hold, at the borders of every rule."""

from datetime import datetime, timedelta, timezone

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
    check_shop,
)
from shopify_session_storage.checks import _check_thoroughly
from shopify_session_storage.glance import is_usual_key
from shopify_session_storage.stored import stored_session
from shopify_session_storage.testing.strategies import sessions

from .checked import (
    ANY_TEXT,
    DATES,
    FIRST,
    FLAGS,
    LAST,
    MICROSECOND,
    STORABLE,
    TEXTS,
    USER_TEXTS,
    online,
    session,
    with_field,
)


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
