"""What subscribers hear of access tokens: each refresh, each exchange, and how it ended."""

from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from shopify_session_storage import (
    SessionStorageError,
    TokenEvent,
)
from shopify_session_storage.access_tokens import (
    MalformedTokenResponse,
    ReauthorizationRequired,
    TokenRefreshUnavailable,
)
from shopify_session_storage.testing import Fault

from .scripted import DriverError


async def stored(fake, tokens, storage, seconds=-60, **changes):
    session = await tokens.save(fake.install("alpha"))
    expires = datetime.now(UTC) + timedelta(seconds=seconds)
    await storage.store_session(replace(session, expires=expires, **changes))


def told(heard):
    return [event for event in heard if isinstance(event, TokenEvent)]


@pytest.mark.asyncio
async def test_a_refresh_is_heard_of(fake, tokens, storage, heard):
    await stored(fake, tokens, storage)
    await tokens.get("alpha")
    start, ok = told(heard)
    assert (start.name, start.shop, start.mode) == (
        "refresh.start",
        "alpha.myshopify.com",
        "offline",
    )
    assert (ok.name, ok.attempt, ok.status, ok.error) == ("refresh.ok", 1, None, None)
    assert ok.seconds > 0


@pytest.mark.asyncio
async def test_a_valid_token_is_served_while_it_is_refreshed(fake, tokens, storage, heard):
    await stored(fake, tokens, storage, seconds=60)
    await tokens.get("alpha")
    await tokens.aclose()
    assert sorted(event.name for event in told(heard)) == [
        "refresh.ok",
        "refresh.start",
        "stale_served",
    ]


@pytest.mark.asyncio
async def test_a_rejected_refresh_token_is_heard_of(fake, tokens, storage, heard):
    await stored(fake, tokens, storage, refresh_token="shprt_unknown")
    with pytest.raises(ReauthorizationRequired):
        await tokens.get("alpha")
    names = [event.name for event in told(heard)]
    assert names == ["refresh.start", "refresh.rejected", "reauthorization"]
    assert told(heard)[1].status == 401
    assert told(heard)[1].error == "ReauthorizationRequired"


ENDS = {
    "malformed": (Fault(granted=True, change={"access_token": None}), MalformedTokenResponse),
    "refresh.transient": (Fault(status=500, body="down"), TokenRefreshUnavailable),
    "refresh.ok": (None, None),
}


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.asyncio
async def test_each_end_of_a_refresh_has_a_name_and_none_shows_a_token(
    fake, tokens, storage, heard, name
):
    fault, error = ENDS[name]
    await stored(fake, tokens, storage)
    known = await storage.load_session("offline_alpha.myshopify.com")
    if fault is not None:
        fake.fail("alpha", *[fault] * 20)
    with nullcontext() if error is None else pytest.raises(error):
        await tokens.get("alpha")
    start, end = told(heard)
    assert (start.name, end.name) == ("refresh.start", name)
    assert end.error == (error and error.__name__)
    assert end.attempt >= 1
    for secret in (known.access_token, known.refresh_token, "shpat_", "shprt_"):
        assert secret not in repr(heard)


@pytest.mark.asyncio
async def test_who_loses_a_refresh_is_heard_of(fake, tokens, storage, heard):
    await stored(fake, tokens, storage)
    compare = storage.compare_and_store

    async def beaten(session, expected):
        if not installs:
            installs.append(await tokens.save(fake.install("alpha")))
        return await compare(session, expected)

    installs = []
    storage.compare_and_store = beaten
    assert (await tokens.get("alpha")).token == installs[0].access_token
    assert [event.name for event in told(heard)] == ["refresh.start", "refresh.lost"]


@pytest.mark.asyncio
async def test_an_exchange_is_heard_of(fake, tokens, storage, heard):
    await tokens.get_or_exchange(fake.verified("alpha"))
    assert [event.name for event in told(heard)] == ["exchange.start", "exchange.ok"]
    fault = Fault(status=400, body={"error": "invalid_subject_token"})
    fake.fail("beta", *[fault] * 20)
    with pytest.raises(ReauthorizationRequired):
        await tokens.get_or_exchange(fake.verified("beta"))
    assert [event.name for event in told(heard)][2:] == [
        "exchange.start",
        "exchange.rejected",
        "reauthorization",
    ]


@pytest.mark.asyncio
async def test_a_refresh_whose_storage_fails_is_heard_of(fake, tokens, storage, heard):
    await stored(fake, tokens, storage)
    tokens._leases.ttl = timedelta(seconds=0.4)
    storage.failing["compare_and_store"] = lambda _: DriverError()
    storage.failing["store"] = lambda _: DriverError()
    with pytest.raises(SessionStorageError):
        await tokens.get("alpha")
    assert [event.name for event in told(heard)] == ["refresh.start", "refresh.failed"]
