"""What apps pass in: code grants, names, moments, and wrong things, which are told at once."""

from datetime import UTC, datetime, timedelta

import pytest
from shopify_app import TokenExchangeAccessToken, TokenExchangeResult
from shopify_session_storage import Session
from shopify_session_storage.access_tokens import (
    MalformedTokenResponse,
    access_token_from_session,
    session_from_access_token,
)
from shopify_session_storage.access_tokens.answers import fresh_session
from shopify_session_storage.access_tokens.arguments import check_mode, session_id, shop_domain
from shopify_session_storage.testing import FakeShopify

# What Shopify's documentation shows as the answers to an authorization code grant.
PLAIN = {"access_token": "f85632530bf277ec9ac6f649fc327f17", "scope": "write_orders,read_customers"}
EXPIRING = PLAIN | {
    "expires_in": 3600,
    "refresh_token": "shprt_1",
    "refresh_token_expires_in": 7776000,
}
ONLINE = PLAIN | {
    "expires_in": 86399,
    "associated_user_scope": "write_orders",
    "associated_user": {
        "id": 902541635,
        "first_name": "John",
        "last_name": "Smith",
        "email": "john@example.com",
        "email_verified": True,
        "account_owner": True,
        "locale": "en",
        "collaborator": False,
    },
}


def about(moment, seconds):
    return abs((moment - datetime.now(UTC)).total_seconds() - seconds) < 60


def test_a_code_grant_becomes_the_shops_session():
    plain = fresh_session(PLAIN, shop="alpha", forever=True)
    assert (plain.id, plain.shop) == ("offline_alpha.myshopify.com", "alpha.myshopify.com")
    assert (plain.access_token, plain.scope) == (PLAIN["access_token"], PLAIN["scope"])
    assert (plain.expires, plain.refresh_token, plain.is_online) == (None, None, False)

    expiring = fresh_session(EXPIRING, shop="https://alpha.myshopify.com")
    assert expiring.refresh_token == "shprt_1"
    assert about(expiring.expires, 3600)
    assert about(expiring.refresh_token_expires, 7776000)
    assert expiring.state == ""

    online = fresh_session(ONLINE, shop="alpha")
    assert (online.id, online.is_online) == ("alpha.myshopify.com_902541635", True)
    assert about(online.expires, 86399)
    assert online.online_access_info.associated_user.email == "john@example.com"
    assert online.online_access_info.associated_user_scope == "write_orders"
    assert access_token_from_session(online).user.scope == "write_orders"


def test_a_code_grant_may_name_its_shop_itself():
    assert fresh_session(EXPIRING | {"shop": "alpha"}).shop == "alpha.myshopify.com"
    assert fresh_session(EXPIRING | {"shop": "alpha"}, shop="ALPHA").shop == "alpha.myshopify.com"
    with pytest.raises(ValueError, match="another shop"):
        fresh_session(EXPIRING | {"shop": "alpha"}, shop="beta")
    with pytest.raises(ValueError, match="shop="):
        fresh_session(EXPIRING)


def test_any_token_may_come_with_its_shop():
    token = FakeShopify().install("alpha")
    for shop in ("alpha", "https://alpha.myshopify.com/admin", None):
        assert fresh_session(token, shop=shop).shop == "alpha.myshopify.com"
    with pytest.raises(ValueError, match="another shop"):
        fresh_session(token, shop="beta")


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"access_token": None}, {"access_token"}),
        ({"access_token": ""}, {"access_token"}),
        ({"expires_in": "3600"}, {"expires_in"}),
        ({"expires_in": True}, {"expires_in"}),
        ({"expires_in": float("nan")}, {"expires_in"}),
        ({"expires_in": 1e400}, {"expires_in"}),
        ({"expires_in": 0}, {"expires_in"}),
        ({"expires_in": None}, {"expires_in"}),
        ({"refresh_token": None}, {"refresh_token"}),
        ({"refresh_token_expires_in": None}, {"refresh_token_expires_in"}),
        ({"refresh_token_expires_in": []}, {"refresh_token_expires_in"}),
        ({"associated_user": {}}, {"associated_user"}),
        ({"associated_user": 7}, {"associated_user"}),
        ({"scope": 7}, {"scope"}),
    ],
)
def test_a_code_grant_that_is_not_complete(change, fields):
    with pytest.raises(MalformedTokenResponse) as caught:
        fresh_session(EXPIRING | change, shop="alpha", forever=True)
    assert fields <= set(caught.value.fields)


def test_what_is_no_access_token_is_told_at_once():
    session = session_from_access_token(FakeShopify().install("alpha"))
    result = TokenExchangeResult(True, "alpha", None, None, None, [])
    for wrong in (None, "shpat_1", b"shpat_1", 7, ["shpat_1"], session, result, object(), Session):
        with pytest.raises(TypeError, match="access_token must be") as caught:
            session_from_access_token(wrong)
        assert "shpat_1" not in str(caught.value)
    assert TokenExchangeAccessToken(**dict(access_token_from_session(session)))


@pytest.mark.parametrize("shop", [7, b"alpha", ["alpha"], object()])
def test_a_shop_is_a_str(shop):
    with pytest.raises(TypeError, match="shop must be a str"):
        shop_domain(shop)


def test_modes_and_users():
    for mode in (None, True, 7, ["offline"]):
        with pytest.raises(TypeError, match="mode must be a str"):
            check_mode(mode)
    with pytest.raises(ValueError, match="mode"):
        check_mode("both")
    for user_id in (True, 7.0, [7], b"7", object()):
        with pytest.raises(TypeError, match="user_id"):
            session_id("alpha.myshopify.com", "online", user_id)
    for user_id in ("", "7 ", "x", -1):
        with pytest.raises(ValueError, match="user_id"):
            session_id("alpha.myshopify.com", "online", user_id)
    assert session_id("a.myshopify.com", "online", "7") == session_id(
        "a.myshopify.com", "online", 7
    )


def test_the_moment_of_an_uninstall_is_read_as_the_readme_says():
    header = "2026-11-25T12:34:56.877041743Z"  # as Shopify sends it: nanoseconds
    moment = datetime.fromisoformat(header)
    assert moment == datetime(2026, 11, 25, 12, 34, 56, 877041, tzinfo=UTC)
    assert moment.utcoffset() == timedelta(0)
