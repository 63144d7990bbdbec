"""What callers of the store see of verdicts and lifetimes, and of wrong arguments."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from shopify_session_storage.access_tokens import (
    AccessTokenStore,
    ReauthorizationRequired,
    ShopUnavailable,
    TokenRefreshUnavailable,
)
from shopify_session_storage.testing import Fault

from .scripted import ScriptedStorage

ID = "offline_alpha.myshopify.com"
DOMAIN = "alpha.myshopify.com"


async def expired(tokens, storage, fake, shop="alpha", **change):
    session = await tokens.save(fake.install(shop))
    past = datetime.now(UTC) - timedelta(minutes=1)
    session = replace(session, expires=past, **change)
    await storage.store_session(session)
    return session


@pytest.mark.parametrize("status", range(500, 505))
@pytest.mark.asyncio
async def test_an_endpoint_that_is_down_costs_three_requests_a_call(tokens, storage, fake, status):
    await expired(tokens, storage, fake)
    fake.fail("alpha", *[Fault(status=status)] * 20)
    with pytest.raises(TokenRefreshUnavailable) as caught:
        await tokens.get("alpha")
    assert caught.value.status == status
    assert fake.requests[DOMAIN] == 3
    for _ in range(5):
        with pytest.raises(TokenRefreshUnavailable):
            await tokens.get("alpha")
    assert fake.requests[DOMAIN] == 3


@pytest.mark.parametrize("status", [402, 403, 404, 423])
@pytest.mark.asyncio
async def test_a_closed_shop_is_asked_once(tokens, storage, fake, status):
    old = await expired(tokens, storage, fake)
    fake.fail("alpha", *[Fault(status=status)] * 20)
    with pytest.raises(ShopUnavailable) as caught:
        await tokens.get("alpha")
    assert (caught.value.status, caught.value.shop) == (status, DOMAIN)
    for _ in range(3):
        with pytest.raises(TokenRefreshUnavailable) as caught:
            await tokens.get("alpha")
        assert caught.value.retry_after > timedelta(minutes=10)
    assert fake.requests[DOMAIN] == 1
    assert (await storage.load_session(ID)).equals(old)


@pytest.mark.asyncio
async def test_a_rejection_has_its_status(tokens, storage, fake):
    await expired(tokens, storage, fake)
    fake.uninstall("alpha")
    with pytest.raises(ReauthorizationRequired) as caught:
        await tokens.get("alpha")
    assert caught.value.status == 401


@pytest.mark.asyncio
async def test_an_outage_of_the_endpoint_does_not_become_each_shops_own(tokens, storage, fake):
    shops = [f"shop-{number}" for number in range(30)]
    for shop in shops:
        await expired(tokens, storage, fake, shop)
        fake.fail(shop, *[Fault(status=503)] * 9)

    async def all_of_them():
        return await asyncio.gather(*map(tokens.get, shops), return_exceptions=True)

    for shop in shops[:8]:
        with pytest.raises(TokenRefreshUnavailable):
            await tokens.get(shop)
    results = await all_of_them()
    assert all(isinstance(result, TokenRefreshUnavailable) for result in results)
    assert fake.requests.total() < 60
    fake._faults.clear()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not any(isinstance(result, Exception) for result in await all_of_them()):
            break
        await asyncio.sleep(0.2)
    assert all(result.token for result in await all_of_them())


@pytest.mark.asyncio
async def test_a_row_that_lost_its_refresh_token_asks_nobody(tokens, storage, fake):
    await expired(tokens, storage, fake, refresh_token=None, refresh_token_expires=None)
    for _ in range(3):
        with pytest.raises(ReauthorizationRequired):
            await tokens.get("alpha")
    assert not fake.requests
    got = await tokens.get_or_exchange(fake.verified("alpha"))
    assert fake.takes_access_token("alpha", got.token)


@pytest.mark.asyncio
async def test_client_credentials_are_renewed_also_by_another_process(tokens, storage, fake):
    result = await tokens._endpoint.app.exchange_using_client_credentials_async(
        "alpha", http_client=tokens._endpoint.http_client
    )
    session = await tokens.save(result.access_token)
    past = datetime.now(UTC) - timedelta(minutes=1)
    for _ in range(3):
        await storage.store_session(replace(session, expires=past))
        other = AccessTokenStore(
            storage, tokens._endpoint.app, http_client=tokens._endpoint.http_client
        )
        got = await other.get("alpha")
        assert fake.takes_access_token("alpha", got.token)
        assert got.token != session.access_token
        session = await storage.load_session(ID)


@pytest.mark.asyncio
async def test_a_token_that_lives_short_is_not_refreshed_by_each_call(tokens, storage, fake):
    fake.access_token_lifetime = timedelta(minutes=2)  # due from 5 minutes before its end
    await expired(tokens, storage, fake)
    for _ in range(10):
        await tokens.get("alpha")
        await tokens._flights.wait()
    assert fake.requests[DOMAIN] == 1
    beta = await tokens.get_or_exchange(fake.verified("beta"))
    for _ in range(10):
        assert (await tokens.get_or_exchange(fake.verified("beta"))) == beta
    assert fake.requests["beta.myshopify.com"] == 1


@pytest.mark.asyncio
async def test_wrong_types_are_told_at_once(tokens, storage):
    storage.failing["load"] = lambda asked: AssertionError("nothing is to be read")
    calls = [
        lambda: tokens.get(7),
        lambda: tokens.get("alpha", None),
        lambda: tokens.get("alpha", "online", 7.5),
        lambda: tokens.load("alpha", 7),
        lambda: tokens.delete("alpha", "online", [7]),
        lambda: tokens.delete_shop("alpha", "2026-11-25T00:00:00Z"),
        lambda: tokens.delete_shop(7),
    ]
    for call in calls:
        with pytest.raises(TypeError):
            await call()


@pytest.mark.parametrize(
    "options", [{"refresh_before": 300}, {"request_timeout": 10}, {"refresh_before": None}]
)
def test_durations_are_timedeltas(options):
    with pytest.raises(TypeError, match="timedelta"):
        AccessTokenStore(ScriptedStorage(), **options)
