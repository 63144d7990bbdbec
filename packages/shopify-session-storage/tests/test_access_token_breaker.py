"""The breaker: opens when many shops fail in a row, and one probe closes it."""

import pytest
from shopify_session_storage.access_tokens import breaker
from shopify_session_storage.access_tokens.breaker import Breaker

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
