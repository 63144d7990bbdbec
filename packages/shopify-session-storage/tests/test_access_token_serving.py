"""What callers of the store see of verdicts, scopes, grants and lifetimes."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from shopify_app import ShopifyApp
from shopify_session_storage import open_session_storage
from shopify_session_storage.access_tokens import (
    AccessTokenError,
    AccessTokenStore,
    MalformedTokenResponse,
    ReauthorizationRequired,
    Report,
    RequestNotVerified,
    ShopUnavailable,
    TokenRefreshUnavailable,
    session_from_access_token,
)
from shopify_session_storage.testing import FakeShopify, Fault

from .scripted import ScriptedStorage

ID = "offline_alpha.myshopify.com"
DOMAIN = "alpha.myshopify.com"


@pytest.fixture
def fake():
    with FakeShopify() as fake:
        yield fake


@pytest_asyncio.fixture
async def storage():
    async with ScriptedStorage(max_groups=8) as storage:
        yield storage


@pytest_asyncio.fixture
async def tokens(storage, fake):
    app = ShopifyApp(fake.client_id, fake.client_secret)
    async with (
        fake.client() as client,
        AccessTokenStore(storage, app, http_client=client) as tokens,
    ):
        yield tokens


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


# --- the first five minutes -------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_request_that_is_not_verified_says_how_to_answer(tokens):
    request = {"method": "GET", "url": "https://app.example/app", "headers": {}, "body": ""}
    verified = tokens._endpoint.app.verify_app_home_req(
        request, app_home_patch_id_token_path="/auth/patch-id-token"
    )
    with pytest.raises(RequestNotVerified) as caught:
        await tokens.get_or_exchange(verified)
    assert caught.value.response == verified.response
    assert isinstance(caught.value, ValueError | AccessTokenError)
    for wrong in (None, request, "alpha"):
        with pytest.raises(TypeError, match="verify_app_home_req"):
            await tokens.get_or_exchange(wrong)


@pytest.mark.asyncio
async def test_what_a_code_grant_returns_is_saved(tokens, storage, fake):
    granted = fake.install("alpha")
    answer = {
        "access_token": granted["token"],
        "scope": granted["scope"],
        "expires_in": 3600,
        "refresh_token": granted["refresh_token"],
        "refresh_token_expires_in": 7776000,
    }
    session = await tokens.save(answer, shop="alpha")
    assert session.id == ID
    assert (await tokens.get("alpha")).token == granted["token"]
    with pytest.raises(ValueError, match="shop="):
        await tokens.save(answer)
    with pytest.raises(ValueError, match="another shop"):
        await tokens.save(granted, shop="beta")
    with pytest.raises(MalformedTokenResponse):
        await tokens.save(answer | {"expires_in": "3600"}, shop="alpha")
    for wrong in (None, "shpat_1", session):
        with pytest.raises(TypeError, match="access_token"):
            await tokens.save(wrong)


@pytest.mark.asyncio
async def test_scopes_that_a_caller_needs(tokens, storage, fake):
    token = await tokens.get_or_exchange(fake.verified("alpha"), scopes="read_products")
    assert await tokens.get("alpha", scopes=["write_products", "read_orders"]) == token
    with pytest.raises(ReauthorizationRequired, match="write_themes") as caught:
        await tokens.get("alpha", scopes="write_themes,read_orders")
    assert caught.value.shop == DOMAIN
    assert await tokens.get("nobody", scopes="write_themes") is None
    fake.scope += ",write_themes"  # the merchant has granted it since
    newer = await tokens.get_or_exchange(fake.verified("alpha"), scopes="write_themes")
    assert newer.token != token.token
    assert await tokens.get("alpha", scopes="write_themes") == newer
    with pytest.raises(ReauthorizationRequired, match="write_files") as caught:
        await tokens.get_or_exchange(fake.verified("alpha"), scopes="write_files")
    with pytest.raises(TypeError):
        await tokens.get("alpha", scopes=7)


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


# --- many shops -------------------------------------------------------------------------------


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
