"""The access token that callers get: typed, and in the shape of Shopify's package."""

import asyncio
import copy
import json
import pickle
from dataclasses import asdict, fields, replace
from datetime import datetime, timedelta

import pytest
from shopify_app import ClientCredentialsAccessToken, ShopifyApp, TokenExchangeAccessToken, User
from shopify_session_storage.access_tokens import (
    AccessToken,
    AccessTokenStore,
    access_token_from_session,
    session_from_access_token,
)
from shopify_session_storage.testing import FakeShopify

from .scripted import ScriptedStorage
from .shown_tokens import ACCESS, NOW, OFFLINE, ONLINE, REFRESH


@pytest.fixture(params=[OFFLINE, ONLINE], ids=["offline", "online"])
def token(request):
    return access_token_from_session(request.param)


def test_has_the_attributes_of_shopifys_package():
    token = access_token_from_session(OFFLINE)
    theirs = TokenExchangeAccessToken(**dict(token))
    for field in fields(TokenExchangeAccessToken):
        assert getattr(token, field.name) == getattr(theirs, field.name) == token[field.name]
    assert (token.token, token.refresh_token) == (ACCESS, REFRESH)
    assert datetime.fromisoformat(token.expires) == OFFLINE.expires
    user = access_token_from_session(ONLINE).user
    assert (user.id, user.first_name, user.scope) == (7, "Ada", "read_orders")
    assert User(**asdict(user)) == User(**access_token_from_session(ONLINE)["user"])


def test_is_read_only_and_can_be_told_what_it_has(token):
    for change in (
        lambda: setattr(token, "token", "x"),
        lambda: setattr(token, "unknown", "x"),
        lambda: token.__setitem__("token", "x"),
        lambda: token.__delitem__("token"),
    ):
        with pytest.raises((AttributeError, TypeError)):
            change()
    with pytest.raises(KeyError):
        token["client_secret"]
    assert list(token) == list(token.keys()) == list(dict(token))
    assert "token" in token
    assert "client_secret" not in token
    assert json.loads(json.dumps(dict(token))) == dict(token)  # plain data


def test_client_credentials_have_no_refresh_token():
    given = ClientCredentialsAccessToken(
        "alpha", ACCESS, OFFLINE.expires.isoformat(), "", "offline", None
    )
    session = session_from_access_token(given)
    token = access_token_from_session(session)
    assert token.refresh_token is token.refresh_token_expires is None
    assert ClientCredentialsAccessToken(**dict(token)) == given
    for again in (token, copy.copy(token), pickle.loads(pickle.dumps(token)), replace(token)):
        assert session_from_access_token(again).equals(session)


def test_comes_back_as_the_same_session():
    for session in (OFFLINE, ONLINE):
        token = access_token_from_session(session)
        for given in (token, dict(token), copy.deepcopy(token), asdict(token)):
            assert session_from_access_token(given).equals(session)
        assert token == copy.copy(token)
        assert hash(token) == hash(copy.copy(token))
        assert token != replace(token, token="other")


@pytest.mark.asyncio
async def test_shopifys_package_takes_it():
    with FakeShopify() as fake:
        app = ShopifyApp(fake.client_id, fake.client_secret)
        first = access_token_from_session(session_from_access_token(fake.install("alpha")))
        result = app.refresh_token_exchanged_access_token(first)
        assert (result.ok, result.log.code) == (True, "token_still_valid")
        past = (NOW - timedelta(minutes=1)).isoformat()
        async with fake.client() as client:
            result = await app.refresh_token_exchanged_access_token_async(
                replace(first, expires=past), http_client=client
            )
        assert result.ok
        assert result.access_token.token != first.token
        assert result.access_token.user is None


def test_it_is_what_the_store_returns():
    async def main():
        with FakeShopify() as fake:
            async with ScriptedStorage() as storage:
                tokens = AccessTokenStore(storage)
                await tokens.save(fake.install("alpha"))
                return await tokens.get("alpha")

    assert type(asyncio.run(main())) is AccessToken
