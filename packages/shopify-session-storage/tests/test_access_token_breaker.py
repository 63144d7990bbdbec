"""The endpoint as a whole: when it fails for many shops, it is left alone; and its clock."""

import asyncio
import logging
import time
from datetime import timedelta

import pytest
import pytest_asyncio
from shopify_app import ShopifyApp
from shopify_session_storage.access_tokens import (
    AccessTokenError,
    TokenRefreshUnavailable,
    breaker,
    session_from_access_token,
)
from shopify_session_storage.access_tokens.breaker import Breaker
from shopify_session_storage.access_tokens.calls import Endpoint, RefreshTokenRejected
from shopify_session_storage.testing import FakeShopify, Fault

SHOPS = [f"shop-{number}" for number in range(40)]


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(breaker, "_now", clock)
    return clock


def fail(breaker, *shops):
    for shop in shops:
        assert breaker.ask() == 0
        breaker.tell(shop, answered=False)


def test_opens_when_many_shops_fail_in_a_row(clock):
    closed = Breaker()
    fail(closed, *SHOPS[:4], *SHOPS[:4], *SHOPS[:4])  # four shops, however often
    assert closed.ask() == 0
    closed.tell(SHOPS[0], answered=True)
    fail(closed, *SHOPS[:4])
    assert closed.ask() == 0
    closed.tell(SHOPS[4], answered=False)
    assert 0.5 <= closed.ask() <= 1


def test_failures_of_long_ago_do_not_count(clock):
    closed = Breaker()
    for shop in SHOPS:
        clock.now += 20
        fail(closed, shop)


def opened(clock):
    open_ = Breaker()
    fail(open_, *SHOPS[:5])
    assert open_.ask() > 0
    return open_


def test_one_probe_at_a_time_closes_it_or_leaves_it_alone_for_longer(clock):
    half_open = opened(clock)
    rests = []
    for _ in range(8):
        rests.append(half_open.ask())
        clock.now += rests[-1]
        assert half_open.ask() == 0  # the probe
        assert half_open.ask() > 0  # everybody else
        half_open.tell("shop-1", answered=False)
    assert rests[0] <= 1
    assert all(15 <= rest <= 30 for rest in rests[6:])
    clock.now += half_open.ask()
    assert half_open.ask() == 0
    half_open.tell("shop-9", answered=True)
    for _ in range(9):
        assert half_open.ask() == 0
    fail(half_open, *SHOPS[:4])
    assert half_open.ask() == 0


def test_a_probe_that_is_cancelled_gives_its_place_to_another(clock):
    half_open = opened(clock)
    clock.now += half_open.ask()
    assert half_open.ask() == 0
    half_open.tell("shop-1", answered=None)
    assert half_open.ask() == 0


def test_what_was_asked_before_it_opened_and_fails_late_changes_nothing(clock):
    open_ = opened(clock)
    rest = open_.ask()
    for shop in SHOPS:
        open_.tell(shop, answered=False)
    assert open_.ask() == rest


# --- in use -----------------------------------------------------------------------------------


@pytest.fixture
def fake():
    with FakeShopify() as fake:
        yield fake


@pytest_asyncio.fixture
async def endpoint(fake):
    async with fake.client() as client:
        yield Endpoint(ShopifyApp(fake.client_id, fake.client_secret), client, timedelta(seconds=5))


async def renew(endpoint, fake, shop):
    return await endpoint.renew(session_from_access_token(fake.install(shop)))


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


# --- the clock --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "which"), [(45, "behind"), (7200, "ahead of"), (86400, "behind")]
)
@pytest.mark.asyncio
async def test_a_wrong_clock_is_noticed_once(endpoint, fake, caplog, seconds, which):
    await renew(endpoint, fake, "alpha")
    assert not caplog.records
    fake.advance(timedelta(seconds=seconds if which == "behind" else -seconds))
    for number in range(3):
        await renew(endpoint, fake, "alpha")
        fake.fail("alpha", Fault(status=404))
        with pytest.raises(TokenRefreshUnavailable):
            await renew(endpoint, fake, "alpha")
        assert len(caplog.records) == 1, number
    assert any(f"about {seconds + off} s {which} Shopify's" in caplog.text for off in (-1, 0, 1))


@pytest.mark.asyncio
async def test_a_clock_that_is_right_or_unknown_is_no_matter(endpoint, fake, caplog):
    fake.advance(timedelta(seconds=20))
    for fault in (None, Fault(dropped=True), Fault(status=503)):
        if fault:
            fake.fail("alpha", *[fault] * 3)
            with pytest.raises(TokenRefreshUnavailable):
                await renew(endpoint, fake, "alpha")
        else:
            await renew(endpoint, fake, "alpha")
    assert not caplog.records
