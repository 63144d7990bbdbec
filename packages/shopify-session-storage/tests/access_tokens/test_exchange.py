"""ID tokens, and what they are exchanged for."""

import asyncio
from datetime import UTC, datetime

import pytest
from shopify_session_storage import CorruptSessionError, Session
from shopify_session_storage.access_tokens import (
    AccessTokenStore,
    ReauthorizationRequired,
    session_from_access_token,
)
from shopify_session_storage.testing.shopify import Fault

from .shops import DEAD, DOMAIN, ID, asked, end_lease, expire


@pytest.mark.asyncio
async def test_an_id_token_is_exchanged_once_for_all(tokens, storage, fake):
    calls = (tokens.get_or_exchange(fake.verified("alpha", n)) for n in range(20))
    got = {token["token"] for token in await asyncio.gather(*calls)}
    assert len(got) == 1
    assert fake.requests[DOMAIN] == 1
    online = await tokens.get_or_exchange(fake.verified("alpha", 7), "online")
    assert online["user"]["id"] == 7
    assert await tokens.get("alpha", "online", 7) == online
    assert await tokens.get("alpha", "online", 8) is None
    await expire(storage, id=f"{DOMAIN}_7")
    with pytest.raises(ReauthorizationRequired):
        await tokens.get("alpha", "online", 7)
    again = await tokens.get_or_exchange(fake.verified("alpha", 7), "online")
    assert again["token"] != online["token"]


@pytest.mark.asyncio
async def test_an_exchange_replaces_what_only_a_merchant_can(tokens, storage, fake, expired):
    fake.uninstall("alpha")
    got = await tokens.get_or_exchange(fake.verified("alpha"))
    assert fake.takes_access_token("alpha", got["token"])
    stored = await storage.load_session(ID)
    assert fake.takes_refresh_token("alpha", stored.refresh_token)


@pytest.mark.asyncio
async def test_a_bad_id_token_is_its_owners_problem_alone(tokens, fake):
    bad = fake.verified("alpha", lifetime=-1) | {"invalid_token_response": {"status": 401}}
    requests = [bad, bad, fake.verified("alpha")]
    calls = [tokens.get_or_exchange(verified) for verified in requests]
    first, second, third = await asyncio.gather(*calls, return_exceptions=True)
    assert fake.takes_access_token("alpha", third["token"])
    assert isinstance(first, ReauthorizationRequired)
    assert first.response is not None
    # The second may have found what the third one's ID token got.
    assert isinstance(second, ReauthorizationRequired) or second == third
    with pytest.raises(ReauthorizationRequired):
        await tokens.get_or_exchange(fake.verified("beta") | {"id_token": None})
    with pytest.raises(ValueError, match="not verified"):
        await tokens.get_or_exchange({"ok": False})


@pytest.mark.parametrize("faster", ["issued before", "issued after"])
@pytest.mark.asyncio
async def test_an_exchange_overwrites_no_newer_pair(tokens, storage, fake, expired, faster):
    # Somebody who takes no lease exchanges at the same time: an app in JavaScript, say.
    fake.uninstall("alpha")
    fake.fail("alpha", Fault(status=401, body=DEAD), Fault(stalled=True, granted=True))
    theirs = fake.install("alpha") if faster == "issued before" else None
    call = asyncio.create_task(tokens.get_or_exchange(fake.verified("alpha")))
    await asked(fake, 2)
    await asyncio.sleep(0.05)  # the endpoint has issued ours
    theirs = theirs or fake.install("alpha")
    await storage.store_session(session_from_access_token(theirs))
    fake.release("alpha")
    got = await call
    stored = await storage.load_session(ID)
    assert got["token"] == stored.access_token
    assert fake.takes_refresh_token("alpha", stored.refresh_token)


@pytest.mark.asyncio
async def test_an_exchange_that_was_stopped_for_long_stores_nothing_old(
    tokens, storage, fake, app, client, clock
):
    fake.fail("alpha", Fault(stalled=True, granted=True))
    call = asyncio.create_task(tokens.get_or_exchange(fake.verified("alpha")))
    await asked(fake)
    await asyncio.sleep(0.05)
    clock.ahead += 60
    end_lease(storage)
    other = AccessTokenStore(storage, app, http_client=client)
    theirs = await other.get_or_exchange(fake.verified("alpha"))
    fake.release("alpha")
    assert await call == theirs
    stored = await storage.load_session(ID)
    assert fake.takes_refresh_token("alpha", stored.refresh_token)


@pytest.mark.asyncio
async def test_an_unfinished_authorization_is_replaced(tokens, storage, fake):
    begun = Session(id=ID, shop=DOMAIN, state="nonce", is_online=False)
    await storage.store_session(begun)  # as an app in JavaScript does before it redirects
    got = await tokens.get_or_exchange(fake.verified("alpha"))
    assert got["token"] == (await storage.load_session(ID)).access_token


@pytest.mark.asyncio
async def test_an_unreadable_session_locks_no_merchant_out(tokens, storage, fake, expired):
    unreadable = await storage.load_session(ID)

    def fail(ids):
        if storage.rows.get(ID) is not None and storage.rows[ID].equals(unreadable):
            return CorruptSessionError("stored session cannot be read")
        return None

    storage.failing["load"] = fail
    with pytest.raises(CorruptSessionError):
        await tokens.get_or_exchange(fake.verified("alpha") | {"id_token": None})
    got = await tokens.get_or_exchange(fake.verified("alpha"))
    stored = await storage.load_session(ID)
    assert got["token"] == stored.access_token
    assert fake.takes_refresh_token("alpha", stored.refresh_token)


@pytest.mark.asyncio
async def test_a_shop_that_came_back_before_the_webhook_is_served(tokens, storage, fake):
    old = await tokens.get_or_exchange(fake.verified("alpha"))
    uninstalled = datetime.now(UTC)
    fake.uninstall("alpha")
    await asyncio.sleep(0.01)
    fake.install("alpha")  # Shopify does so by itself when a merchant opens the app
    verified = fake.verified("alpha")
    assert await tokens.get_or_exchange(verified) == old  # there is no telling yet
    calls = (tokens.get_or_exchange(verified, refused=old) for _ in range(5))
    [new] = {token["token"] for token in await asyncio.gather(*calls)}
    assert fake.takes_access_token("alpha", new)
    assert fake.requests[DOMAIN] == 2
    await tokens.delete_shop("alpha", installed_before=uninstalled)
    assert (await tokens.get("alpha"))["token"] == new
    assert (await tokens.get_or_exchange(verified, refused=old))["token"] == new
    without = verified | {"id_token": None}
    newest = await tokens.get_or_exchange(without, refused=new)
    assert newest["token"] != new  # refreshed
    fake.uninstall("alpha")
    with pytest.raises(ReauthorizationRequired):
        await tokens.get_or_exchange(without, refused=newest)
