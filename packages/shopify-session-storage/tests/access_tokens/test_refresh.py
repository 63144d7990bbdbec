"""The refresh: who gets which token, what is stored, who waits."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from shopify_session_storage import SessionStorageUnavailableError
from shopify_session_storage.access_tokens import (
    AccessTokenStore,
    ReauthorizationRequired,
    TokenRefreshUnavailable,
    session_from_access_token,
)
from shopify_session_storage.access_tokens.calls import RefreshTokenRejected, parse_retry_after
from shopify_session_storage.access_tokens.clock import ClockCheck
from shopify_session_storage.testing.shopify import Fault

from ..scripted import DriverError, ScriptedStorage, settle
from ..shields import watch_shields
from .shops import DEAD, DOMAIN, ID, always, asked, end_lease, expire


@pytest.mark.asyncio
async def test_a_rejected_refresh_token_is_not_tried_again_until_there_is_another(
    tokens, storage, fake, expired
):
    fake.uninstall("alpha")
    for _ in range(3):
        with pytest.raises(ReauthorizationRequired):
            await tokens.get("alpha")
    assert fake.requests[DOMAIN] == 1
    saved = await tokens.save(fake.install("alpha"))
    assert (await tokens.get("alpha"))["token"] == saved.access_token
    await expire(storage)
    assert (await tokens.get("alpha"))["token"] != saved.access_token


@pytest.mark.asyncio
async def test_a_rejection_is_nothing_if_somebody_else_stored_a_newer_pair(
    tokens, storage, fake, expired
):
    # JavaScript, say, which takes no lease.
    newer = session_from_access_token(fake.install("alpha"))
    fake.fail("alpha", Fault(stalled=True, granted=True))
    call = asyncio.create_task(tokens.get("alpha"))
    await asked(fake)
    await storage.store_session(newer)
    fake.release("alpha")
    assert (await call)["token"] == newer.access_token


@pytest.mark.asyncio
async def test_a_refresh_token_past_its_expiry_is_tried_once(tokens, storage, fake, expired):
    # The local clock may be wrong; Shopify's is right.
    past = datetime.now(UTC) - timedelta(days=1)
    await expire(storage, refresh_token_expires=past)
    assert (await tokens.get("alpha"))["token"] != expired.access_token
    fake.uninstall("alpha")
    await expire(storage, refresh_token_expires=past)
    for _ in range(3):
        with pytest.raises(ReauthorizationRequired):
            await tokens.get("alpha")
    assert fake.requests[DOMAIN] == 2


@pytest.mark.asyncio
async def test_client_credentials_are_renewed(tokens, storage, fake, app, client):
    result = await app.exchange_using_client_credentials_async("alpha", http_client=client)
    saved = await tokens.save(result.access_token)
    await expire(storage)
    got = await tokens.get("alpha")
    assert fake.takes_access_token("alpha", got["token"])
    assert got["token"] != saved.access_token


@pytest.mark.asyncio
async def test_sync_methods_do_not_block_the_loop(storage, fake, app):
    with fake.sync_client() as client:
        async with AccessTokenStore(storage, app, http_client=client) as tokens:
            await tokens.save(fake.install("alpha"))
            await expire(storage)
            fake.fail("alpha", Fault(stalled=True))
            call = asyncio.create_task(tokens.get("alpha"))
            while not fake.requests[DOMAIN]:
                await asyncio.sleep(0.001)  # would not come back
            fake.release("alpha")
            assert fake.takes_access_token("alpha", (await call)["token"])
            beta = await tokens.get_or_exchange(fake.verified("beta"))
            assert fake.takes_access_token("beta", beta["token"])


@pytest.mark.asyncio
async def test_a_stalled_shop_holds_up_nobody_else(tokens, storage, fake, expired):
    await tokens.save(fake.install("beta"))
    await expire(storage, id="offline_beta.myshopify.com")
    fake.fail("alpha", Fault(stalled=True))
    stalled = [asyncio.create_task(tokens.get("alpha")) for _ in range(50)]
    await asked(fake)
    for _ in range(20):
        assert fake.takes_access_token("beta", (await tokens.get("beta"))["token"])
        await expire(storage, id="offline_beta.myshopify.com")
    assert not storage.under_way  # no connection is held
    assert not any(call.done() for call in stalled)
    fake.release("alpha")
    assert len({(await call)["token"] for call in stalled}) == 1


@pytest.mark.asyncio
async def test_callers_get_the_old_token_while_it_is_valid(tokens, storage, fake, expired):
    await expire(storage, 60)
    fake.fail("alpha", Fault(stalled=True))
    for _ in range(5):
        assert (await tokens.get("alpha"))["token"] == expired.access_token
    fake.release("alpha")
    await tokens.aclose()
    assert fake.requests[DOMAIN] == 1
    assert (await tokens.get("alpha"))["token"] != expired.access_token


@pytest.mark.asyncio
async def test_a_new_pair_is_handed_out_only_when_it_is_stored(tokens, storage, fake, expired):
    storage.errors["store"] = [DriverError(), DriverError()]
    got = await tokens.get("alpha")
    assert fake.requests[DOMAIN] == 1  # it was kept, and stored when that worked
    assert got["token"] == (await storage.load_session(ID)).access_token


@pytest.mark.asyncio
async def test_storage_that_stays_down_loses_nothing(storage, fake, app, client):
    timeout = timedelta(milliseconds=300)
    async with AccessTokenStore(
        storage, app, http_client=client, request_timeout=timeout
    ) as tokens:
        await tokens.save(fake.install("alpha"))
        await expire(storage)
        storage.failing["store"] = lambda ids: DriverError()
        with pytest.raises(SessionStorageUnavailableError):
            await tokens.get("alpha")
        storage.failing.clear()
        assert fake.takes_access_token("alpha", (await tokens.get("alpha"))["token"])
        stored = await storage.load_session(ID)
        assert fake.takes_refresh_token("alpha", stored.refresh_token)


@pytest.mark.asyncio
async def test_storage_that_logs_its_failures_does_not_look_empty(fake, app, client):
    async with (
        ScriptedStorage(on_error="log") as storage,
        AccessTokenStore(storage, app, http_client=client) as tokens,
    ):
        await tokens.save(fake.install("alpha"))
        verified = fake.verified("alpha")
        storage.failing = dict.fromkeys(("load", "find"), lambda argument: DriverError())
        for call in (
            tokens.load("alpha"),
            tokens.get("alpha"),
            tokens.get_or_exchange(verified),
            tokens.delete_shop("alpha"),
        ):
            with pytest.raises(SessionStorageUnavailableError):
                await call
        assert not fake.requests[DOMAIN]  # an exchange would have ended the stored refresh token
        assert await storage.load_session(ID) is None  # here it logs, as told
        storage.failing = {}
        assert (await storage.load_session(ID)).refresh_token


@pytest.mark.asyncio
async def test_a_dead_holder_keeps_nobody_for_longer_than_its_lease(storage, fake, app, client):
    timeout = timedelta(milliseconds=500)
    async with AccessTokenStore(
        storage, app, http_client=client, request_timeout=timeout
    ) as tokens:
        await tokens.save(fake.install("alpha"))
        await expire(storage)
        await storage.acquire_lease(ID, "somebody who died", 2 * timeout)
        assert fake.takes_access_token("alpha", (await tokens.get("alpha"))["token"])
        await expire(storage)
        await storage.acquire_lease(ID, "somebody who lives", timedelta(minutes=1))
        with pytest.raises(TokenRefreshUnavailable):
            await tokens.get("alpha")


@pytest.mark.asyncio
async def test_who_lost_its_lease_stores_nothing(tokens, storage, fake, expired):
    fake.fail("alpha", Fault(stalled=True))
    call = asyncio.create_task(tokens.get("alpha"))
    await asked(fake)
    end_lease(storage)
    await storage.acquire_lease(ID, "another", timedelta(minutes=1))
    fake.release("alpha")
    await settle()
    await asyncio.sleep(0.1)
    assert (await storage.load_session(ID)).equals(expired)
    await storage.release_lease(ID, "another")
    assert fake.takes_access_token("alpha", (await call)["token"])


@pytest.mark.parametrize("valid", [False, True])
@pytest.mark.parametrize("retry", ["same", "new", "strict"])
@pytest.mark.asyncio
async def test_who_was_stopped_for_longer_than_its_lease_begins_anew(
    tokens, storage, fake, app, client, expired, clock, retry, valid
):
    if valid:
        await expire(storage, 60)
    fake.retry = retry
    fake.fail("alpha", Fault(stalled=True, granted=True))
    call = asyncio.create_task(tokens.get("alpha"))
    await asked(fake)
    clock.ahead += 60
    end_lease(storage)
    # Another process asks meanwhile, and dies before it has stored what it got.
    current = await storage.load_session(ID)
    with suppress(RefreshTokenRejected):
        await tokens._endpoint.renew(current)
    fake.release("alpha")
    await call
    await tokens.aclose()
    stored = await storage.load_session(ID)
    assert stored.access_token != expired.access_token
    assert fake.takes_refresh_token("alpha", stored.refresh_token)


@pytest.mark.parametrize("retry", ["same", "new", "strict"])
@pytest.mark.asyncio
async def test_who_was_stopped_overwrites_nobody(
    tokens, storage, fake, app, client, expired, clock, retry
):
    fake.retry = retry
    fake.fail("alpha", Fault(stalled=True, granted=True))
    call = asyncio.create_task(tokens.get("alpha"))
    await asked(fake)
    clock.ahead += 60
    end_lease(storage)
    other = AccessTokenStore(storage, app, http_client=client)
    if retry == "strict":
        with pytest.raises(ReauthorizationRequired):
            await other.get("alpha")
    else:
        await other.get("alpha")
    fake.release("alpha")
    got = await call
    stored = await storage.load_session(ID)
    assert got["token"] == stored.access_token != expired.access_token
    assert fake.takes_refresh_token("alpha", stored.refresh_token)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.asyncio
async def test_a_cancelled_acquire_leaves_no_lease(
    tokens, storage, fake, expired, moment, monkeypatch
):
    acquire = storage._acquire_lease
    begun = asyncio.Event()

    async def slowly(*lease):
        if moment == "after":
            await acquire(*lease)
        begun.set()
        await asyncio.sleep(0.05)
        return await acquire(*lease)

    monkeypatch.setattr(storage, "_acquire_lease", slowly)
    call = asyncio.create_task(tokens.get("alpha"))
    await begun.wait()
    [flight] = tokens._flights._tasks.values()
    flight.cancel()  # as the end of an event loop does
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.sleep(0.1)
    assert ID not in storage._process_locks()._leases


@pytest.mark.asyncio
async def test_a_failed_refresh_that_nobody_waits_for_is_not_reported_to_the_loop(
    tokens, fake, expired, monkeypatch
):
    reported = watch_shields(monkeypatch)
    fake.fail("alpha", Fault(stalled=True, status=400, body=DEAD))
    call = asyncio.create_task(tokens.get("alpha"))
    await asked(fake)
    call.cancel()
    await settle()
    fake.release("alpha")
    await tokens._flights.wait()
    assert call.cancelled()
    assert reported == []


@pytest.mark.asyncio
async def test_durations_that_make_no_sense_are_refused(storage):
    for option in (
        {"refresh_before": timedelta(hours=1)},
        {"refresh_before": timedelta(seconds=-1)},
        {"request_timeout": timedelta(0)},
    ):
        with pytest.raises(ValueError, match=next(iter(option))):
            AccessTokenStore(storage, **option)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("2", 2), ("2.0", 2), ("-1", 0), ("1e9", 3600), ("nan", None), ("soon", None), (None, None)],
)
def test_retry_after(value, seconds):
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert parse_retry_after(value) == expected
    assert parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == timedelta(0)


@pytest.mark.asyncio
async def test_a_date_that_cannot_be_is_no_date(tokens, fake, expired):
    """Python cannot hold it. A good answer is not lost for its sake."""
    never = "Wed, 21 Oct 99999999999999999999 07:28:00 GMT"
    fake.fail("alpha", *always(status=429, headers={"Retry-After": never}))
    with pytest.raises(TokenRefreshUnavailable) as caught:
        await tokens.get("alpha")
    assert caught.value.retry_after is None
    ClockCheck().look(never, datetime.now(UTC))
