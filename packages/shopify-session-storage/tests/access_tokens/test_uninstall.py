"""Uninstalls, in time and late."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from shopify_session_storage.testing.shopify import Fault

from .shops import DOMAIN, ID


@pytest.mark.asyncio
async def test_uninstall_deletes_everything(tokens, storage, fake):
    for shop in ("alpha", "beta"):
        await tokens.get_or_exchange(fake.verified(shop))
        for user in range(3):
            await tokens.get_or_exchange(fake.verified(shop, user), "online")
    await tokens.delete_shop("https://ALPHA.myshopify.com")
    await tokens.delete_shop("alpha")
    assert await storage.find_sessions_by_shop(DOMAIN) == []
    assert len(await storage.find_sessions_by_shop("beta.myshopify.com")) == 4


@pytest.mark.asyncio
async def test_a_late_webhook_spares_the_new_install(tokens, storage, fake):
    await tokens.get_or_exchange(fake.verified("alpha", 1), "online")
    await tokens.save(fake.install("alpha"))
    hour = timedelta(hours=1)
    for session in await storage.find_sessions_by_shop(DOMAIN):  # all of that was an hour ago
        renewed = session.refresh_token_expires and session.refresh_token_expires - hour
        await storage.store_session(
            replace(session, expires=session.expires - hour, refresh_token_expires=renewed)
        )
    uninstalled = datetime.now(UTC) - timedelta(minutes=30)
    new = await tokens.save(fake.install("alpha"))
    await tokens.get_or_exchange(fake.verified("alpha", 2), "online")
    await tokens.delete_shop("alpha", installed_before=uninstalled)
    left = {session.id for session in await storage.find_sessions_by_shop(DOMAIN)}
    assert left == {ID, f"{DOMAIN}_2"}
    assert (await tokens.get("alpha"))["token"] == new.access_token
    await tokens.delete_shop("alpha", installed_before=datetime.now(UTC) + timedelta(minutes=1))
    assert await storage.find_sessions_by_shop(DOMAIN) == []


@pytest.mark.asyncio
async def test_a_token_without_age_goes_with_the_old_install_only(tokens, storage, fake):
    await tokens.save(fake.install("alpha", expiring=False))
    await tokens.get_or_exchange(fake.verified("alpha", 2), "online")
    await tokens.delete_shop("alpha", installed_before=datetime.now(UTC) - timedelta(hours=1))
    assert len(await storage.find_sessions_by_shop(DOMAIN)) == 2  # installed anew since
    await tokens.delete("alpha", "online", 2)
    await tokens.delete_shop("alpha", installed_before=datetime.now(UTC) - timedelta(hours=1))
    assert await storage.find_sessions_by_shop(DOMAIN) == []


@pytest.mark.parametrize("end", ["delete", "delete_shop"])
@pytest.mark.asyncio
async def test_a_refresh_in_flight_brings_nothing_back(tokens, storage, fake, expired, end):
    fake.fail("alpha", Fault(stalled=True))
    call = asyncio.create_task(tokens.get("alpha"))
    while not fake.requests[DOMAIN]:
        await asyncio.sleep(0.001)
    ending = asyncio.create_task(getattr(tokens, end)("alpha"))
    while ID in storage.rows:
        await asyncio.sleep(0.001)
    fake.release("alpha")
    assert await call is None
    await ending
    assert storage.rows == {}
