"""Uninstalls, in time and late."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from shopify_session_storage import (
    CorruptSessionError,
    MigrationError,
    SessionStorageUnavailableError,
)
from shopify_session_storage.access_tokens import AccessTokenStore, ReauthorizationRequired
from shopify_session_storage.testing.shopify import Fault

from ..scripted import ScriptedStorage, settle
from .shops import DOMAIN, ID, aged, asked, expire


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


@pytest.mark.parametrize("mode", ["offline", "online"])
@pytest.mark.asyncio
async def test_an_exchange_under_way_brings_nothing_back(tokens, storage, fake, mode):
    verified = fake.verified("alpha", 7) | {"invalid_token_response": {"status": 401}}
    fake.fail("alpha", Fault(stalled=True, granted=True))
    calls = [asyncio.create_task(tokens.get_or_exchange(verified, mode)) for _ in range(3)]
    await asked(fake)
    fake.uninstall("alpha")
    async with asyncio.timeout(1):  # the endpoint stalls
        await tokens.delete_shop("alpha")
    fake.release("alpha")
    for call in calls:
        with pytest.raises(ReauthorizationRequired) as caught:
            await call
        assert caught.value.response == {"status": 401}
    assert storage.rows == {}
    assert await tokens.get_or_exchange(verified, mode)  # installed again


@pytest.mark.asyncio
async def test_an_exchange_that_stores_at_that_moment_brings_nothing_back(tokens, storage, fake):
    gate = storage.hold("store")
    call = asyncio.create_task(tokens.get_or_exchange(fake.verified("alpha")))
    while not storage.count("store"):
        await asyncio.sleep(0.001)
    await tokens.delete_shop("alpha")
    gate.set()
    with pytest.raises(ReauthorizationRequired):
        await call
    assert storage.rows == {}


@pytest.mark.asyncio
async def test_a_save_under_way_brings_nothing_back(tokens, storage, fake):
    gate = storage.hold("store")
    call = asyncio.create_task(tokens.save(fake.install("alpha")))
    while not storage.count("store"):
        await asyncio.sleep(0.001)
    await tokens.delete_shop("alpha")
    gate.set()
    with pytest.raises(ReauthorizationRequired):
        await call
    assert storage.rows == {}
    assert await tokens.save(fake.install("alpha"))


@pytest.mark.parametrize("how", ["exchange", "save"])
@pytest.mark.parametrize("rounds", range(40))
@pytest.mark.asyncio
async def test_a_late_webhook_spares_a_new_install_in_whatever_moment_it_comes(
    tokens, storage, fake, how, rounds
):
    await tokens.save(aged(fake.install("alpha"), timedelta(hours=1)))
    uninstalled = datetime.now(UTC) - timedelta(minutes=30)
    fake.uninstall("alpha")
    if how == "save":
        new = asyncio.create_task(tokens.save(fake.install("alpha")))
    else:
        old = (await tokens.load("alpha"))["token"]
        verified = fake.verified("alpha")
        new = asyncio.create_task(tokens.get_or_exchange(verified, refused=old))
        await asked(fake)
        await asyncio.sleep(0.002)
    await settle(rounds)
    await tokens.delete_shop("alpha", installed_before=uninstalled)
    await new
    stored = await storage.load_session(ID)
    assert fake.takes_refresh_token("alpha", stored.refresh_token)


@pytest.mark.parametrize("change", ["installed anew", "refreshed"])
@pytest.mark.asyncio
async def test_what_changes_while_it_is_deleted_is_judged_again(
    tokens, storage, fake, change, monkeypatch
):
    hour = timedelta(hours=1)
    await tokens.save(aged(fake.install("alpha"), hour))
    uninstalled = datetime.now(UTC) - timedelta(minutes=30)
    delete = storage.compare_and_delete
    changes = [aged(fake.install("alpha"), hour if change == "refreshed" else timedelta(0))]

    async def after_the_change(expected):
        if changes:
            await tokens.save(changes.pop())
        return await delete(expected)

    monkeypatch.setattr(storage, "compare_and_delete", after_the_change)
    await tokens.delete_shop("alpha", installed_before=uninstalled)
    assert (ID in storage.rows) is (change == "installed anew")


@pytest.mark.parametrize("installed_before", [None, timedelta(minutes=1)])
@pytest.mark.asyncio
async def test_an_unreadable_session_of_a_user_does_not_save_the_offline_one(
    tokens, storage, fake, installed_before
):
    await tokens.save(fake.install("alpha"))
    storage.failing["find"] = lambda shops: CorruptSessionError("stored session cannot be read")
    before = installed_before and datetime.now(UTC) + installed_before
    with pytest.raises(CorruptSessionError):  # the webhook comes again, and somebody is told
        await tokens.delete_shop("alpha", before)
    assert storage.rows == {}


@pytest.mark.asyncio
async def test_an_unreadable_offline_session_is_deleted(tokens, storage, fake):
    await tokens.save(fake.install("alpha"))
    await tokens.get_or_exchange(fake.verified("alpha", 7), "online")

    def fail(argument):
        return CorruptSessionError("cannot be read") if ID in storage.rows else None

    storage.failing = {"find": fail, "load": fail}
    await tokens.delete_shop("alpha")
    assert storage.rows == {}


@pytest.mark.asyncio
async def test_an_uninstall_waits_for_nobody(tokens, storage, fake):
    await tokens.save(fake.install("alpha"))
    await expire(storage)
    fake.fail("alpha", *[Fault(stalled=True, granted=True)] * 10)
    calls = [
        asyncio.create_task(call)
        for call in (
            tokens.get("alpha"),
            tokens.get_or_exchange(fake.verified("alpha", 7), "online"),
            tokens.get_or_exchange(fake.verified("alpha", 8), "online"),
        )
    ]
    await asked(fake, 3)
    fake.uninstall("alpha")
    async with asyncio.timeout(5):
        for _ in range(100):
            await tokens.delete_shop("alpha")
    fake.release("alpha")
    refreshed, *exchanged = await asyncio.gather(*calls, return_exceptions=True)
    assert refreshed is None
    assert [type(result) for result in exchanged] == [ReauthorizationRequired] * 2
    assert storage.rows == {}


@pytest.mark.asyncio
async def test_an_uninstall_that_is_cancelled_holds_nobody_up(tokens, storage, fake, monkeypatch):
    acquire = storage._acquire_lease
    begun = asyncio.Event()

    async def slowly(*lease):
        begun.set()
        await asyncio.sleep(0.05)
        return await acquire(*lease)

    monkeypatch.setattr(storage, "_acquire_lease", slowly)
    call = asyncio.create_task(tokens.delete_shop("alpha"))
    await begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    monkeypatch.undo()
    async with asyncio.timeout(2):
        await tokens.get_or_exchange(fake.verified("alpha"))


@pytest.mark.asyncio
async def test_installed_before_is_checked(tokens, storage, fake):
    await tokens.save(fake.install("alpha"))
    with pytest.raises(TypeError, match="installed_before"):
        await tokens.delete_shop("alpha", installed_before="2026-08-01T00:00:00Z")
    with pytest.raises(ValueError, match="installed_before"):
        await tokens.delete_shop("alpha", installed_before=datetime(2026, 8, 1))  # noqa: DTZ001
    assert ID in storage.rows


@pytest.mark.asyncio
async def test_without_leases_an_uninstall_deletes_and_says_so(storage, fake, app, client):
    async with ScriptedStorage() as leases:
        tokens = AccessTokenStore(storage, app, http_client=client, leases=leases)
        await tokens.save(fake.install("alpha"))
        for error in (SessionStorageUnavailableError("down"), MigrationError("no table")):

            async def acquire(*lease, error=error):
                raise error

            leases._acquire_lease = acquire
            await tokens.save(fake.install("alpha"))  # rather than to lose what Shopify issued
            with suppress(SessionStorageUnavailableError):
                await tokens.delete_shop("alpha")
                assert isinstance(error, MigrationError)
            assert storage.rows == {}
