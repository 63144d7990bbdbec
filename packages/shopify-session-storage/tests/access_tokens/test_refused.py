"""What an app does with a token that Shopify has answered with 401."""

import asyncio

import pytest
from shopify_app import TokenExchangeAccessToken
from shopify_session_storage.access_tokens import (
    AccessTokenStore,
    ReauthorizationRequired,
    TokenRefreshUnavailable,
)

from .shops import DOMAIN, ID, always


@pytest.mark.asyncio
async def test_a_refused_token_is_refreshed_once_for_all(tokens, storage, fake, app, client):
    old = await tokens.save(fake.install("alpha"))
    other = AccessTokenStore(storage, app, http_client=client)
    stores = [tokens, other] * 10
    calls = (store.get("alpha", refused=old.access_token) for store in stores)
    [new] = {token["token"] for token in await asyncio.gather(*calls)}
    assert new == (await storage.load_session(ID)).access_token != old.access_token
    assert fake.requests[DOMAIN] == 1
    assert (await tokens.get("alpha", refused=old.access_token))["token"] == new
    assert fake.requests[DOMAIN] == 1  # a newer one was stored


@pytest.mark.asyncio
async def test_a_refused_token_may_be_given_in_any_shape(tokens, fake):
    await tokens.save(fake.install("alpha"))
    for shape in (
        lambda token: token,
        lambda token: token["token"],
        dict,
        lambda token: TokenExchangeAccessToken(**dict(token)),
    ):
        old = await tokens.get("alpha")
        new = await tokens.get("alpha", refused=shape(old))
        assert new["token"] != old["token"]
        assert await tokens.delete("alpha", only_if=shape(old)) is False
    for wrong in (5, b"shpat", {}, object()):
        with pytest.raises(TypeError, match="access token"):
            await tokens.get("alpha", refused=wrong)
        with pytest.raises(TypeError, match="access token"):
            await tokens.delete("alpha", only_if=wrong)


@pytest.mark.asyncio
async def test_nothing_follows_a_refused_token_for_ever(tokens, storage, fake):
    old = await tokens.save(fake.install("alpha"))
    assert await tokens.get("beta", refused=old.access_token) is None
    fake.fail("alpha", *always(status=503))
    with pytest.raises(TokenRefreshUnavailable) as caught:
        await tokens.get("alpha", refused=old.access_token)
    assert caught.value.access_token is None  # it is the refused one
    fake._faults.clear()
    fake.uninstall("alpha")
    tokens._asking.forget(ID)
    for _ in range(3):
        with pytest.raises(ReauthorizationRequired):
            await tokens.get("alpha", refused=old.access_token)
    user = await tokens.get_or_exchange(fake.verified("alpha", 7), "online")
    with pytest.raises(ReauthorizationRequired):
        await tokens.get("alpha", "online", 7, refused=user)
    await tokens.save(fake.install("alpha", expiring=False))
    with pytest.raises(ReauthorizationRequired):
        await tokens.get("alpha", refused=await tokens.load("alpha"))


@pytest.mark.asyncio
async def test_only_the_refused_token_is_deleted(tokens, storage, fake):
    old = await tokens.save(fake.install("alpha"))
    new = await tokens.save(fake.install("alpha"))  # installed anew meanwhile
    assert await tokens.delete("alpha", only_if=old.access_token) is False
    assert (await storage.load_session(ID)).equals(new)
    assert await tokens.delete("alpha", only_if=new.access_token) is True
    assert storage.rows == {}
    assert await tokens.delete("alpha", only_if=new.access_token) is True
    assert await tokens.delete("alpha") is True


@pytest.mark.asyncio
async def test_a_token_that_comes_while_the_refused_one_is_deleted_stays(
    tokens, storage, fake, monkeypatch
):
    old = await tokens.save(fake.install("alpha"))
    delete = storage.compare_and_delete

    async def after_a_new_install(expected):
        await tokens.save(fake.install("alpha"))
        return await delete(expected)

    monkeypatch.setattr(storage, "compare_and_delete", after_a_new_install)
    assert await tokens.delete("alpha", only_if=old.access_token) is False
    stored = await storage.load_session(ID)
    assert fake.takes_refresh_token("alpha", stored.refresh_token)


def given_again(token):
    """Return what Shopify answers if it gives *token* once more."""
    answer = {"access_token": token.token, "scope": token.scope, "expires_in": 3600}
    if token.user is None:
        return answer | {"refresh_token": "shprt_again", "refresh_token_expires_in": 7_776_000}
    user = {name: token["user"][name] for name in token["user"] if name != "scope"}
    return answer | {"associated_user": user, "associated_user_scope": token.scope}


@pytest.mark.parametrize("mode", ["offline", "online"])
@pytest.mark.asyncio
async def test_shopify_is_not_asked_for_ever_if_it_gives_the_same_token_again(tokens, fake, mode):
    old = await tokens.get_or_exchange(fake.verified("alpha"), mode)
    requests = fake.requests[DOMAIN]
    fake.fail("alpha", *always(body=given_again(old)))
    async with asyncio.timeout(10):
        with pytest.raises(TokenRefreshUnavailable, match="again") as caught:
            await tokens.get_or_exchange(fake.verified("alpha"), mode, refused=old)
        assert caught.value.access_token is None
        with pytest.raises(ReauthorizationRequired, match="write_files"):
            await tokens.get_or_exchange(fake.verified("alpha"), mode, scopes="write_files")
    assert fake.requests[DOMAIN] == requests + 2


@pytest.mark.asyncio
async def test_the_same_token_will_do_if_it_has_the_scopes_now(tokens, fake):
    old = await tokens.get_or_exchange(fake.verified("alpha"))
    wider = given_again(old) | {"scope": f"{old.scope},write_files"}
    fake.fail("alpha", *always(body=wider))
    async with asyncio.timeout(10):
        new = await tokens.get_or_exchange(fake.verified("alpha"), scopes="write_files")
    assert (new.token, new.scope) == (old.token, wider["scope"])
