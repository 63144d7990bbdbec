"""An endpoint that fails for many shops is left alone, and asked again."""

import asyncio
import logging
import time
from datetime import timedelta

import pytest
from shopify_app import ShopifyApp
from shopify_session_storage.access_tokens import (
    AccessTokenError,
    TokenRefreshUnavailable,
)
from shopify_session_storage.access_tokens.calls import Endpoint, RefreshTokenRejected
from shopify_session_storage.testing import Fault

from .renewing import renew

SHOPS = [f"shop-{number}" for number in range(40)]


@pytest.mark.parametrize("fault", [Fault(status=503), Fault(dropped=True)])
@pytest.mark.asyncio
async def test_an_endpoint_that_fails_for_all_is_asked_little(endpoint, fake, fault, caplog):
    caplog.set_level(logging.INFO, "shopify_session_storage.access_tokens")
    for shop in SHOPS:
        fake.fail(shop, *[fault] * 3)
    for shop in SHOPS:
        with pytest.raises(TokenRefreshUnavailable) as caught:
            await renew(endpoint, fake, shop)
    assert caught.value.requests == 0
    assert timedelta(0) < caught.value.retry_after <= timedelta(seconds=1)
    asked = fake.requests.total()
    assert asked <= 15
    fake._faults.clear()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            await renew(endpoint, fake, "shop-0")
            break
        except TokenRefreshUnavailable as error:
            await asyncio.sleep(error.retry_after.total_seconds())
    for shop in SHOPS:
        await renew(endpoint, fake, shop)
    messages = [record.message for record in caplog.records]
    assert len(messages) == 2, messages
    assert "fails for many shops" in messages[0]
    assert "again" in messages[1]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=404),
        Fault(status=429, headers={"Retry-After": "1"}),
        Fault(status=401, body={"error": "invalid_request"}),
        Fault(status=400, body={"error": "invalid_client"}),
        Fault(body="cut off"),
    ],
)
@pytest.mark.asyncio
async def test_answers_are_no_reason_to_leave_it_alone(endpoint, fake, fault):
    for shop in SHOPS[:12]:
        fake.fail(shop, fault)
        with pytest.raises((AccessTokenError, RefreshTokenRejected)):
            await renew(endpoint, fake, shop)
    assert fake.requests.total() == 12


@pytest.mark.asyncio
async def test_a_cancelled_call_does_not_count(fake):
    async with fake.client() as client:
        endpoint = Endpoint(
            ShopifyApp(fake.client_id, fake.client_secret), client, timedelta(seconds=5)
        )
        calls = []
        for shop in SHOPS[:12]:
            fake.fail(shop, Fault(stalled=True))
            calls.append(asyncio.create_task(renew(endpoint, fake, shop)))
        while fake.requests.total() < 12:
            await asyncio.sleep(0.001)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert await renew(endpoint, fake, "another")
