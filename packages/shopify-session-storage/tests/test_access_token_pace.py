"""The pace of work on many shops is kept, whatever one of them does."""

import asyncio
import time
from datetime import timedelta

import pytest
from shopify_session_storage.access_tokens import TokenRefreshUnavailable, upkeep


def domain(shop):
    return f"{shop}.myshopify.com"


async def timed(shops, work, per_second):
    started = time.monotonic()
    report = await upkeep.migrate_to_expiring(shops, work, per_second)
    return report, time.monotonic() - started


@pytest.mark.asyncio
async def test_slow_answers_do_not_slow_the_pace():
    begun = []

    async def work(shop):
        begun.append(time.monotonic())
        await asyncio.sleep(0.2)
        return True

    shops = [f"shop-{number}" for number in range(60)]
    report, seconds = await timed(shops, work, 40)
    assert len(report.done) == 60
    assert seconds < 60 / 40 / 0.9 + 0.2
    for first, later in zip(begun, begun[45:], strict=False):
        assert later - first > 0.95  # hardly more than 40 in any second


@pytest.mark.asyncio
async def test_silent_shops_hold_up_nobody():
    silent = asyncio.Event()
    done = []

    async def work(shop):
        if shop.startswith("silent"):
            await silent.wait()
        done.append(shop)
        return True

    shops = [f"{'silent' if number % 10 == 5 else 'shop'}-{number}" for number in range(100)]
    run = asyncio.create_task(upkeep.migrate_to_expiring(shops, work, 200))
    async with asyncio.timeout(10):
        while len(done) < 90:
            await asyncio.sleep(0.01)
        assert not run.done()
        silent.set()
        assert len((await run).done) == 100


@pytest.mark.asyncio
async def test_only_so_many_at_a_time():
    """Of a migration that is killed, those under way may be lost."""
    silent = asyncio.Event()
    begun = []

    async def work(shop):
        begun.append(shop)
        await silent.wait()
        return True

    async def endless():
        number = 0
        while True:
            yield f"shop-{number}"
            number += 1

    run = asyncio.create_task(upkeep.migrate_to_expiring(endless(), work, 50))
    async with asyncio.timeout(30):
        while len(begun) < 100:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)
    assert len(begun) == 100  # two seconds' worth
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


@pytest.mark.asyncio
async def test_shops_where_there_is_nothing_to_do_cost_no_time():
    async def work(shop):
        await asyncio.sleep(0.001)
        return False

    report, seconds = await timed([f"shop-{number}" for number in range(200)], work, 5)
    assert len(report.skipped) == 200
    assert seconds < 5


@pytest.mark.asyncio
async def test_while_the_endpoint_is_left_alone_shops_wait_their_turn():
    """An outage of seconds does not fail all the shops whose turn it would have been."""
    begun, back = [], time.monotonic() + 0.3

    async def work(shop):
        if (left := back - time.monotonic()) > 0:
            raise TokenRefreshUnavailable(
                "left alone", shop=shop, retry_after=timedelta(seconds=left), requests=0
            )
        begun.append(time.monotonic())
        return True

    report, _ = await timed([f"shop-{number}" for number in range(60)], work, 100)
    assert (len(report.done), report.failed) == (60, {})
    assert begun[-1] - begun[0] > 59 / 100 * 0.8  # no burst


@pytest.mark.asyncio
async def test_shops_do_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(upkeep, "_PATIENCE", timedelta(seconds=0.2))

    async def work(shop):
        rest = timedelta(seconds=0.05)
        raise TokenRefreshUnavailable("left alone", shop=shop, retry_after=rest, requests=0)

    shops = [f"shop-{number}" for number in range(20)]
    report, seconds = await timed(shops, work, 1000)
    assert report.again == [domain(shop) for shop in shops]
    assert seconds < 5


@pytest.mark.asyncio
async def test_a_list_of_shops_that_breaks_off_is_an_error():
    async def shops():
        yield "alpha"
        raise LookupError("the app's own database")

    begun = []

    async def work(shop):
        begun.append(shop)
        await asyncio.sleep(60)

    with pytest.raises(LookupError, match="own database"):
        await upkeep.migrate_to_expiring(shops(), work, 1000)
