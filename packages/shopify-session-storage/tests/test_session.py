"""Session: its dates, its tokens and its scopes."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo

import pytest
from shopify_session_storage import AuthScopes

from .made_sessions import EPOCH, MINUTE, session


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
