"""How early a token is due: before it ends, but not always where it lives short."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from shopify_session_storage.access_tokens import session_from_access_token

BEFORE = timedelta(minutes=5)


def left(session, seconds):
    return replace(session, expires=datetime.now(UTC) + timedelta(seconds=seconds))


@pytest.mark.asyncio
async def test_a_token_that_lives_short_is_not_always_due(endpoint, fake):
    lifetimes = endpoint.lifetimes
    session = session_from_access_token(fake.install("alpha"))
    assert not lifetimes.due(session, BEFORE)
    assert lifetimes.due(left(session, 299), BEFORE)
    fake.access_token_lifetime = timedelta(minutes=2)
    short = await endpoint.renew(session)
    assert not lifetimes.due(short, BEFORE)
    for seconds, due in ((119, False), (62, False), (58, True), (1, True), (-1, True)):
        assert lifetimes.due(left(short, seconds), BEFORE) is due
    assert not lifetimes.due(left(short, 62), timedelta(0))
    assert lifetimes.due(left(replace(short, id="offline_b.myshopify.com"), 119), BEFORE)
    fake.access_token_lifetime = timedelta(hours=1)
    long = await endpoint.renew(short)
    assert lifetimes.due(left(long, 119), BEFORE)
    assert not lifetimes.due(replace(long, expires=None), BEFORE)


@pytest.mark.asyncio
async def test_a_token_of_an_hour_takes_no_memory(endpoint, fake):
    """A run over all shops may see a million of them."""
    long = await endpoint.renew(session_from_access_token(fake.install("alpha")))
    half = timedelta(minutes=30)
    assert not endpoint.lifetimes.due(left(long, 1805), half)
    assert endpoint.lifetimes.due(left(long, 1795), half)
    assert endpoint.lifetimes._lives == {}
    fake.access_token_lifetime = timedelta(minutes=40)
    await endpoint.renew(long)
    assert list(endpoint.lifetimes._lives) == [long.id]
