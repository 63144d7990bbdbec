"""What apps do with many shops."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from shopify_session_storage.access_tokens import (
    AccessTokenStore,
    ReauthorizationRequired,
)
from shopify_session_storage.testing.shopify import Fault

from .shops import always, expire


async def in_turn(shops):
    for shop in shops:
        yield shop


@pytest.mark.asyncio
async def test_shops_that_need_attention_are_listed(tokens, storage, fake):
    now = datetime.now(UTC)
    reasons = {"fresh": None, "due": "access_token", "idle": "refresh_token", "gone": "lost"}
    for shop in reasons:
        await tokens.save(fake.install(shop))
    ids = {shop: f"offline_{shop}.myshopify.com" for shop in reasons}
    await expire(storage, 60, ids["due"])
    await expire(storage, id=ids["idle"], refresh_token_expires=now + timedelta(days=3))
    await expire(storage, id=ids["gone"], refresh_token_expires=now - timedelta(days=3))
    await tokens.save(fake.install("legacy", expiring=False))
    shops = [*reasons, "legacy", "nobody", *(f"other-{n}" for n in range(250))]
    for given_ in (shops, in_turn(shops)):
        found = {due.shop: due.reason async for due in tokens.iter_refresh_due(given_)}
        assert found == {
            "due.myshopify.com": "access_token",
            "idle.myshopify.com": "refresh_token",
            "gone.myshopify.com": "lost",
            "legacy.myshopify.com": "never_expires",
        }
    report = await tokens.keep_warm(shops, per_second=1000)
    assert (report.done, report.failed) == (["idle.myshopify.com"], {})
    assert dict(fake.requests) == {"idle.myshopify.com": 1}


@pytest.mark.asyncio
async def test_migration_goes_on_after_failures_and_after_a_kill(tokens, storage, fake):
    shops = [f"shop-{n}" for n in range(6)]
    domains = [f"{shop}.myshopify.com" for shop in shops]
    for shop in shops[:5]:
        await tokens.save(fake.install(shop, expiring=False))
    await tokens.save(fake.install(shops[5]))
    fake.uninstall(shops[1])
    fake.fail(shops[2], *always(status=503))
    fake.fail(shops[3], Fault(stalled=True))
    run = asyncio.create_task(tokens.migrate_to_expiring(shops, per_second=1000))
    while not fake.requests[domains[3]] or not fake.grants[domains[4]]:
        await asyncio.sleep(0.001)  # the silent one does not hold up the next
    run.cancel()
    fake.release(shops[3])
    with pytest.raises(asyncio.CancelledError):
        await run
    await tokens.aclose()
    fake._faults.clear()
    again = AccessTokenStore(
        storage, tokens._endpoint.app, http_client=tokens._endpoint.http_client
    )
    report = await again.migrate_to_expiring(shops, per_second=1000)
    assert report.done == [domains[2]]
    assert report.skipped == [domains[0], *domains[3:]]
    assert list(report.failed) == [domains[1]]
    assert isinstance(report.failed[domains[1]], ReauthorizationRequired)
    for domain in (domains[0], *domains[3:5]):
        assert fake.requests[domain] == 1
    for shop in (*shops[2:5], shops[0]):
        stored = await storage.load_session(f"offline_{shop}.myshopify.com")
        assert fake.takes_refresh_token(shop, stored.refresh_token)
    with pytest.raises(ValueError, match="per_second"):
        await tokens.migrate_to_expiring(shops, per_second=0)
    with pytest.raises(TypeError, match="shops"):
        await tokens.keep_warm("alpha")
