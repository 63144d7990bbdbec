"""Access tokens while processes are stopped in the middle, on real backends.

A stopped process is one whose machine sleeps, swaps or collects garbage: it goes on later as if
nothing had happened, with a lease that others have had since.
"""

import asyncio
import json
import os
import random
import signal
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from shopify_session_storage.testing.shopify import FakeShopify, Fault

from .access_tokens_processes import BACKENDS, address, expire, granted, parent, stored_in, worker

TIMEOUT = 0.5
LEASE = 2 * TIMEOUT

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.skipif(os.name != "posix", reason="stops processes by signals"),
]
backends = pytest.mark.parametrize("backend", BACKENDS)
RETRIES = ["same", "new", "strict"]
modes = pytest.mark.parametrize("retry", RETRIES)


@asynccontextmanager
async def stopped(tell, fake, shop, backend):
    """Stop a process, told inside what to do, between Shopify's answer and the end of its work."""
    stalled = backend == "sqlite"  # elsewhere it would hold the lock of the file
    before = fake.grants[f"{shop}.myshopify.com"]
    if stalled:
        fake.fail(shop, Fault(stalled=True, granted=True))
    yield
    await granted(fake, before, shop)
    tell.signal(signal.SIGSTOP)
    await asyncio.sleep(1.1 * LEASE)
    fake.release(shop)


async def go_on(tell):
    tell.signal(signal.SIGCONT)
    return json.loads(await tell.answer())


async def is_live(fake, storage, shop):
    stored = await stored_in(storage, shop)
    return stored is not None and fake.takes_refresh_token(shop, stored.refresh_token)


@modes
@backends
async def test_in_an_exchange(request, tmp_path, backend, retry, times):
    url, options = address(request, backend, tmp_path)
    with FakeShopify(retry=retry) as fake:
        async with (
            parent(fake, url, options, ()) as (tokens, storage),
            worker("calls", fake, url, options, TIMEOUT) as tell,
        ):
            start = 2 * RETRIES.index(retry)  # the modes share the cases
            for number in range(start, start + max(2, times // 10)):
                shop = f"shop-{number}"
                refused = {}
                if number % 4 > 1:  # a token is stored, and Shopify refuses it
                    refused["refused"] = (await tokens.save(fake.install(shop))).access_token
                    fake.uninstall(shop)
                async with stopped(tell, fake, shop, backend):
                    tell.send(["get_or_exchange", [fake.verified(shop)], refused])
                if number % 2:
                    got = await tokens.get_or_exchange(fake.verified(shop), **refused)
                    answer = await go_on(tell)
                    assert (await tokens.get(shop)) == got, (number, answer)
                    assert await is_live(fake, storage, shop)
                else:
                    fake.uninstall(shop)
                    await tokens.delete_shop(shop)
                    answer = await go_on(tell)
                    assert await stored_in(storage, shop) is None, answer


@backends
@modes
async def test_in_a_refresh(request, tmp_path, backend, retry, times):
    url, options = address(request, backend, tmp_path)
    with FakeShopify(retry=retry) as fake:
        async with (
            parent(fake, url, options, ()) as (tokens, storage),
            worker("calls", fake, url, options, TIMEOUT) as tell,
        ):
            for number in range(max(1, times // 10)):
                shop = f"shop-{number}"
                await tokens.save(fake.install(shop))
                await expire(storage, shop=shop)
                async with stopped(tell, fake, shop, backend):
                    tell.send(["get", [shop], {}])
                await asyncio.gather(tokens.get(shop), return_exceptions=True)
                await go_on(tell)
                assert await is_live(fake, storage, shop)
                tokens._asking.forget(f"offline_{shop}.myshopify.com")
                assert fake.takes_access_token(shop, (await tokens.get(shop))["token"])


@modes
@backends
async def test_in_an_uninstall(request, tmp_path, backend, retry, times):
    url, options = address(request, backend, tmp_path)
    with FakeShopify(retry=retry) as fake:
        async with (
            parent(fake, url, options, ()) as (tokens, storage),
            worker("calls", fake, url, options, TIMEOUT) as tell,
        ):
            for number in range(max(4, times // 4)):
                shop = f"shop-{number}"
                old = fake.install(shop)
                hour_ago = datetime.fromisoformat(old["refresh_token_expires"]) - timedelta(hours=1)
                await tokens.save(old | {"refresh_token_expires": hour_ago.isoformat()})
                fake.uninstall(shop)
                when = datetime.now(UTC) - timedelta(minutes=30)
                tell.send(["delete_shop", [shop], {"installed_before": when.isoformat()}])
                if backend == "sqlite":  # a process that is stopped may hold the lock of the file
                    new = await tokens.get_or_exchange(fake.verified(shop), refused=old["token"])
                    assert json.loads(await tell.answer()) is True
                else:
                    await asyncio.sleep(random.uniform(0, 0.008))
                    tell.signal(signal.SIGSTOP)
                    new = await tokens.get_or_exchange(fake.verified(shop), refused=old["token"])
                    assert await go_on(tell) is True
                assert (await tokens.get(shop)) == new
                assert await is_live(fake, storage, shop)


@backends
async def test_an_uninstall_is_answered_in_time_while_the_endpoint_stalls(
    request, tmp_path, backend, times
):
    url, options = address(request, backend, tmp_path)
    with FakeShopify() as fake:
        async with (
            parent(fake, url, options) as (tokens, storage),
            worker("calls", fake, url, options) as refreshing,
            worker("calls", fake, url, options) as exchanging,
        ):
            await expire(storage)
            fake.fail("alpha", *[Fault(stalled=True, granted=True)] * 2)
            refreshing.send(["get", ["alpha"], {}])
            await granted(fake, 0)
            exchanging.send(["get_or_exchange", [fake.verified("alpha", 7), "online"], {}])
            await granted(fake, 1)
            fake.uninstall("alpha")
            taken = []
            for _ in range(max(20, times)):
                began = time.monotonic()
                await tokens.delete_shop("alpha")
                taken.append(time.monotonic() - began)
            fake.release("alpha")
            assert json.loads(await refreshing.answer()) is True  # nothing is stored
            assert json.loads(await exchanging.answer()) == "ReauthorizationRequired"
            assert await storage.find_sessions_by_shop("alpha.myshopify.com") == []
    taken.sort()
    assert taken[int(len(taken) * 0.99)] < 5  # Shopify waits so long for a webhook's answer
    print(f"{backend}: delete_shop p50 {taken[len(taken) // 2]:.4f} s, p99 {taken[-1]:.4f} s")
