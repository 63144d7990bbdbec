"""Many shops: reruns, migrations, and storages that cannot be walked through."""

import asyncio
import time

import pytest
from shopify_app import ShopifyApp
from shopify_session_storage import open_session_storage
from shopify_session_storage.access_tokens import (
    AccessTokenStore,
    ReauthorizationRequired,
    Report,
    session_from_access_token,
)
from shopify_session_storage.testing import Fault

DOMAIN = "alpha.myshopify.com"


@pytest.mark.asyncio
async def test_a_rerun_does_not_repeat_what_is_final(tokens, storage, fake):
    for shop in ("alpha", "beta"):
        await tokens.save(fake.install(shop, expiring=False))
    fake.uninstall("alpha")
    for _ in range(3):
        report = await tokens.migrate_to_expiring(["alpha", "beta"], per_second=1000)
        assert list(report.final) == [DOMAIN]
        assert isinstance(report.final[DOMAIN], ReauthorizationRequired)
    assert fake.requests[DOMAIN] == 1
    await tokens.save(fake.install("alpha", expiring=False))
    report = await tokens.migrate_to_expiring(["alpha", "beta"], per_second=1000)
    assert report.done == [DOMAIN]


@pytest.mark.asyncio
async def test_all_that_is_stored_by_default(fake, tmp_path):
    app = ShopifyApp(fake.client_id, fake.client_secret)
    shops = [f"shop-{number:03}" for number in range(120)]
    domains = [f"{shop}.myshopify.com" for shop in shops]
    async with (
        open_session_storage(f"sqlite:///{tmp_path}/tokens.db", on_error="raise") as storage,
        fake.client() as client,
        AccessTokenStore(storage, app, http_client=client) as tokens,
    ):
        for shop in shops:
            session = session_from_access_token(fake.install(shop, expiring=False))
            await storage.store_session(session)
        await tokens.get_or_exchange(fake.verified("shop-000"), "online")
        due = {due.shop: due.reason async for due in tokens.iter_refresh_due()}
        assert due == dict.fromkeys(domains, "never_expires")
        assert (await tokens.keep_warm(per_second=1000)) == Report()
        report = await tokens.migrate_to_expiring(per_second=1000)
        assert sorted(report.done) == domains
        assert sorted((await tokens.migrate_to_expiring(per_second=1000)).skipped) == domains


@pytest.mark.asyncio
async def test_a_storage_that_cannot_be_walked_through_says_so(tokens):
    for call in (tokens.keep_warm, tokens.migrate_to_expiring):
        with pytest.raises(NotImplementedError, match="walked through"):
            await call()


@pytest.mark.asyncio
async def test_an_app_that_cannot_migrate_is_told_at_once(storage):
    for app in (None, object()):
        tokens = AccessTokenStore(storage, app)
        with pytest.raises(TypeError, match="app"):
            await tokens.migrate_to_expiring(["alpha"])
        with pytest.raises(TypeError, match="app"):
            await tokens.keep_warm(["alpha"])


@pytest.mark.asyncio
async def test_a_slow_endpoint_does_not_slow_a_migration(tokens, storage, fake):
    """20 a second are asked for; an answer takes 0.2 s; one shop is silent."""
    shops = [f"shop-{number}" for number in range(60)]
    for shop in shops:
        await storage.store_session(session_from_access_token(fake.install(shop, expiring=False)))
    fake.fail("shop-3", Fault(stalled=True))
    renew = tokens._endpoint.migrate

    async def slow(session):
        await asyncio.sleep(0.2)
        return await renew(session)

    tokens._endpoint.migrate = slow
    started = time.monotonic()
    run = asyncio.create_task(tokens.migrate_to_expiring(shops, per_second=20))
    while fake.grants.total() < 59:
        assert time.monotonic() < started + 30
        await asyncio.sleep(0.01)
    seconds = time.monotonic() - started
    fake.release("shop-3")
    assert len((await run).done) == 60
    assert 59 / seconds > 10  # one after the other it would be 5; a busy machine takes its time
