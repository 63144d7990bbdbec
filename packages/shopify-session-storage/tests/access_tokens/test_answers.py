"""Verdicts on the answers of Shopify's token endpoint, asked through Shopify's own package."""

import logging
import traceback
from datetime import UTC, datetime, timedelta

import pytest
from shopify_session_storage.access_tokens import (
    AccessTokenError,
    MalformedTokenResponse,
    ReauthorizationRequired,
    ShopUnavailable,
    TokenRefreshUnavailable,
)
from shopify_session_storage.testing.shopify import Fault

from .shops import DEAD, DOMAIN, ID, always, expire

SERVED, UNAVAILABLE, FINAL = "served", TokenRefreshUnavailable, ReauthorizationRequired
CLOSED = ShopUnavailable


ANSWERS = {
    "complete": ([], SERVED),
    "200 without scope": ([Fault(change={"scope": None})], SERVED),
    "200 without access_token": ([Fault(change={"access_token": None})], {"access_token"}),
    "200 without expires_in": ([Fault(change={"expires_in": None})], {"expires_in"}),
    "200 with expires_in 0": ([Fault(change={"expires_in": 0})], {"expires_in"}),
    "200 with expires_in as text": ([Fault(change={"expires_in": "3600"})], set()),
    "200 without refresh_token": ([Fault(change={"refresh_token": None})], {"refresh_token"}),
    "200 without refresh_token_expires_in": (
        [Fault(change={"refresh_token_expires_in": None})],
        {"refresh_token_expires_in"},
    ),
    "200 that is no JSON": ([Fault(granted=True, body="shpat_cut off")], set()),
    "200 that is a list": ([Fault(body=["shpat_1"])], set()),
    "400 invalid_grant": ([Fault(status=400, body={"error": "invalid_grant"})], FINAL),
    "401 invalid_request": ([Fault(status=401, body=DEAD)], FINAL),
    "400 invalid_request": (always(status=400, body=DEAD), UNAVAILABLE),
    "401 invalid_client": (always(status=401, body={"error": "invalid_client"}), UNAVAILABLE),
    "401 of something else": (always(status=401, body="who are you"), UNAVAILABLE),
    "402": (always(status=402), CLOSED),
    "403": (always(status=403), CLOSED),
    "404": (always(status=404), CLOSED),
    "429 once": ([Fault(status=429, headers={"Retry-After": "0.1"})], SERVED),
    "429 for long": ([Fault(status=429, headers={"Retry-After": "60"})], UNAVAILABLE),
    "500 once": ([Fault(status=500)], SERVED),
    "503 once": ([Fault(status=503)], SERVED),
    "503 always": (always(status=503), UNAVAILABLE),
    "520 once": ([Fault(status=520)], SERVED),
    "520 once, after the rotation": ([Fault(status=520, granted=True)], SERVED),
    "520 with invalid_grant": (always(status=520, body={"error": "invalid_grant"}), UNAVAILABLE),
    "520 always": (always(status=520), UNAVAILABLE),
    "no answer once": ([Fault(dropped=True)], SERVED),
    "no answer once, after the rotation": ([Fault(dropped=True, granted=True)], SERVED),
    "no answer ever": (always(dropped=True), UNAVAILABLE),
}


def tell_apart(verdict, got, error):
    if verdict is SERVED:
        return error is None and got is not None
    if isinstance(verdict, set):
        return type(error) is MalformedTokenResponse and set(error.fields) == verdict
    return type(error) is verdict


@pytest.mark.parametrize("retry", ["same", "new"])
@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.asyncio
async def test_verdict(tokens, storage, fake, expired, name, retry, caplog):
    faults, verdict = ANSWERS[name]
    fake.retry = retry
    fake.fail("alpha", *faults)
    caplog.set_level(logging.DEBUG, "shopify_session_storage")
    got = error = None
    try:
        got = await tokens.get("alpha")
    except AccessTokenError as raised:
        error = raised
    assert tell_apart(verdict, got, error), (got, error)
    stored = await storage.load_session(ID)
    if got is None:
        assert stored.equals(expired)
    else:
        assert got["token"] == stored.access_token != expired.access_token
        assert fake.takes_refresh_token("alpha", stored.refresh_token)
        assert stored.scope == expired.scope
    shown = caplog.text + "".join(traceback.format_exception(error) if error else [])
    shown += repr((error, error and error.__context__, got, tokens.__dict__["_flights"]))
    assert "shpat" not in shown
    assert "shprt" not in shown
    assert fake.client_secret not in shown


@pytest.mark.parametrize("name", [name for name in ANSWERS if ANSWERS[name][1] is not SERVED])
@pytest.mark.asyncio
async def test_a_valid_token_is_served_whatever_shopify_answers(
    tokens, storage, fake, expired, name
):
    await expire(storage, 60)
    fake.fail("alpha", *ANSWERS[name][0])
    for _ in range(2):
        assert (await tokens.get("alpha"))["token"] == expired.access_token
        await tokens.aclose()
    assert (await storage.load_session(ID)).access_token == expired.access_token


@pytest.mark.asyncio
async def test_shopify_is_left_alone_after_a_failure(tokens, fake, expired):
    fake.fail("alpha", Fault(status=429, headers={"Retry-After": "60"}))
    for _ in range(3):
        with pytest.raises(TokenRefreshUnavailable) as caught:
            await tokens.get("alpha")
        assert timedelta(seconds=50) < caught.value.retry_after <= timedelta(seconds=60)
    assert fake.requests[DOMAIN] == 1


@pytest.mark.parametrize(
    ("status", "kind", "outcome"),
    [(402, ShopUnavailable, "closed"), (429, TokenRefreshUnavailable, "again")],
)
@pytest.mark.asyncio
async def test_until_shopify_is_asked_again_callers_get_what_it_said_last(
    tokens, storage, fake, expired, status, kind, outcome
):
    """A shop is as closed for the second caller as for the first."""
    await expire(storage, refresh_token_expires=datetime.now(UTC) + timedelta(days=3))
    fake.fail("alpha", Fault(status=status, headers={"Retry-After": "60"}))
    for _ in range(3):
        with pytest.raises(TokenRefreshUnavailable) as caught:
            await tokens.get("alpha")
        assert (type(caught.value), caught.value.status) == (kind, status)
    assert (await tokens.keep_warm(["alpha"])).counts == {outcome: 1}
    assert fake.requests[DOMAIN] == 1


@pytest.mark.asyncio
async def test_a_shop_that_is_open_again_is_served_to_its_merchant_at_once(tokens, fake, expired):
    fake.fail("alpha", Fault(status=402))
    with pytest.raises(ShopUnavailable):
        await tokens.get("alpha")  # a job, before the merchant has paid
    got = await tokens.get_or_exchange(fake.verified("alpha"))
    assert got["token"] != expired.access_token
    assert await tokens.get("alpha") == got
    assert fake.requests[DOMAIN] == 2


@pytest.mark.asyncio
async def test_a_merchant_with_a_valid_token_asks_for_nothing(tokens, storage, fake, expired):
    await expire(storage, 60)
    fake.fail("alpha", *always(status=402))
    for _ in range(3):
        got = await tokens.get_or_exchange(fake.verified("alpha"))
        assert got["token"] == expired.access_token
        await tokens.aclose()
    assert fake.requests[DOMAIN] == 1
