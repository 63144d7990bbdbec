"""Conversions between sessions and access tokens."""

from dataclasses import asdict, replace

import pytest
from shopify_app import ClientCredentialsAccessToken, TokenExchangeAccessToken, User
from shopify_session_storage.access_tokens import (
    MalformedTokenResponse,
    access_token_from_session,
    session_from_access_token,
)

from .shops import DOMAIN, ID

USER = User(7, "Ada", "Osei", "read_orders", "ada@shop.example", True, "en", False, True)
SOON, LATER = "2130-01-02T03:04:05Z", "2130-04-02T03:04:05Z"
TOKENS = [
    TokenExchangeAccessToken("alpha", "t", None, "read_orders", "offline", None, None, None),
    TokenExchangeAccessToken("alpha", "t", SOON, "", "offline", "r", LATER, None),
    TokenExchangeAccessToken("alpha", "t", SOON, "read_orders", "online", None, None, USER),
    ClientCredentialsAccessToken("alpha", "t", SOON, "read_orders", "offline", None),
]


@pytest.mark.parametrize("token", TOKENS)
def test_conversion_keeps_everything(token):
    for given_ in (token, asdict(token)):
        session = session_from_access_token(given_)
        online = token.access_mode == "online"
        assert session.id == (f"{DOMAIN}_7" if online else ID)
        state = "client_credentials" if isinstance(token, ClientCredentialsAccessToken) else ""
        assert (session.shop, session.is_online, session.state) == (DOMAIN, online, state)
        back = dict(access_token_from_session(session))
        for name in ("expires", "refresh_token_expires"):
            if back.get(name):
                back[name] = back[name].replace("+00:00", "Z")
        if online:
            back["user"] = User(**back["user"])
        assert type(token)(**back) == token
    assert "shprt" not in repr(access_token_from_session(replace(session, refresh_token="shprt")))


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"token": ""}, {"access_token"}),
        ({"token": None}, {"access_token"}),
        ({"token": "two words"}, {"access_token"}),
        ({"token": 7}, {"access_token"}),
        ({"refresh_token": ""}, {"refresh_token"}),
        ({"refresh_token": None}, {"refresh_token"}),
        ({"refresh_token_expires": None}, {"refresh_token_expires_in"}),
        ({"refresh_token_expires": "2001-01-01T00:00:00Z"}, {"refresh_token_expires_in"}),
        ({"expires": None}, {"expires_in"}),
        ({"expires": "2001-01-01T00:00:00Z"}, {"expires_in"}),
        ({"expires": "2130-01-01T00:00:00"}, {"expires_in"}),
        ({"expires": "tomorrow"}, {"expires_in"}),
        ({"access_mode": "online"}, {"associated_user"}),
        ({"access_mode": "both"}, {"access_mode"}),
        ({"scope": 5}, {"scope"}),
        ({"scope": "a\0"}, set()),
    ],
)
@pytest.mark.asyncio
async def test_nothing_incomplete_is_saved(tokens, storage, fake, change, fields):
    good = await tokens.save(fake.install("alpha"))
    with pytest.raises(MalformedTokenResponse) as caught:
        await tokens.save(fake.install("alpha") | change)
    assert set(caught.value.fields) == fields
    assert (await storage.load_session(ID)).equals(good)


@pytest.mark.asyncio
async def test_a_shop_has_one_session_however_it_is_named(tokens, fake):
    saved = await tokens.save(fake.install("alpha") | {"shop": "https://ALPHA.myshopify.com"})
    for name in ("alpha", DOMAIN, "https://ALPHA.myshopify.com", "Alpha"):
        assert (await tokens.load(name))["token"] == saved.access_token
        assert (await tokens.get(name))["token"] == saved.access_token
    for name in ("", None, "alpha.myshopify.com.evil.example"):
        with pytest.raises(ValueError, match="does not name a shop"):
            await tokens.get(name)
    with pytest.raises(ValueError, match="user_id"):
        await tokens.get("alpha", "online")
    await tokens.delete("alpha")
    assert await tokens.load(DOMAIN) is None
    assert await tokens.get(DOMAIN) is None
