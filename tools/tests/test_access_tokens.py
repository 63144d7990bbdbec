"""Access tokens on real backends: many processes, processes that die, connections that break.

``python3 tools/test.py access_tokens -- --times 200`` repeats each of them 200 times.
"""

import asyncio
import json
import os
import random
import signal
from collections import Counter
from contextlib import AsyncExitStack, suppress
from urllib.parse import urlsplit

import pytest
from servers.proxy import Proxy
from shopify_session_storage import open_session_storage
from shopify_session_storage.access_tokens import AccessTokenStore
from shopify_session_storage.testing.shopify import FakeShopify

from .access_tokens_processes import (
    BACKENDS,
    address,
    expire,
    granted,
    parent,
    recovers,
    stored_in,
    worker,
)

SHOPS = [f"shop-{number}" for number in range(8)]
PROCESSES, CALLERS = 4, 32

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("backend", BACKENDS)
async def test_one_request_and_one_token_for_all_processes(request, tmp_path, backend, times):
    url, options = address(request, backend, tmp_path)
    with FakeShopify() as fake:
        async with AsyncExitStack() as stack:
            storage = await stack.enter_async_context(open_session_storage(url, **options))
            await AccessTokenStore(storage).save(fake.install("alpha"))
            workers = await asyncio.gather(
                *(
                    stack.enter_async_context(worker("rounds", fake, url, options))
                    for _ in range(PROCESSES)
                )
            )
            seen = set()
            for number in range(times):
                valid = number % 4 == 3
                old = await expire(storage, 60 if valid else -60)
                answers = await asyncio.gather(*(tell(["alpha", CALLERS]) for tell in workers))
                tokens = {token for answer in answers for token in json.loads(answer)[0]}
                errors = [error for answer in answers for error in json.loads(answer)[1]]
                new = await stored_in(storage, "alpha")
                assert errors == []
                assert fake.requests == {"alpha.myshopify.com": number + 1}
                # While the old one is valid, some get that; nobody waits.
                assert tokens - ({old.access_token} if valid else set()) <= {new.access_token}
                assert valid or tokens == {new.access_token}
                assert fake.takes_refresh_token("alpha", new.refresh_token)
                seen.add(new.access_token)
            assert len(seen) == times


@pytest.mark.parametrize("retry", ["same", "new"])
@pytest.mark.parametrize("backend", ["sqlite", "postgresql", "redis"])
async def test_processes_with_caches_lose_nothing(request, tmp_path, backend, retry, times):
    url, options = address(request, backend, tmp_path)
    with FakeShopify(retry=retry) as fake:
        async with AsyncExitStack() as stack:
            storage = await stack.enter_async_context(open_session_storage(url, **options))
            await AccessTokenStore(storage).save(fake.install("alpha"))
            workers = [
                await stack.enter_async_context(
                    worker("rounds", fake, url, options, cached_seconds=0.05)
                )
                for _ in range(PROCESSES)
            ]
            cached = 0
            for number in range(times):
                old = await expire(storage)
                async with asyncio.timeout(10):
                    tokens = {old.access_token}
                    while old.access_token in tokens:  # some still know it as good for an hour
                        answers = await asyncio.gather(*(tell(["alpha", 4]) for tell in workers))
                        answers = [json.loads(answer) for answer in answers]
                        assert [errors for _, errors in answers if errors] == []
                        tokens = {token for got, _ in answers for token in got}
                        cached += old.access_token in tokens
                assert tokens == {(await stored_in(storage, "alpha")).access_token}
                assert fake.requests == {"alpha.myshopify.com": number + 1}
            assert cached or times < 4  # or the test did not test anything


@pytest.mark.skipif(os.name != "posix", reason="kills processes that it has forked")
@pytest.mark.parametrize("backend", BACKENDS)
async def test_a_killed_process_loses_nothing(request, tmp_path, backend, times):
    url, options = address(request, backend, tmp_path)
    outcomes = Counter()

    async def kill(pid, shop, before):
        await granted(fake, before, shop)
        with suppress(ProcessLookupError):  # it was faster
            os.kill(pid, signal.SIGKILL)

    with FakeShopify() as fake:
        async with (
            parent(fake, url, options, SHOPS) as (tokens, storage),
            worker("forks", fake, url, options, request_timeout=0.5) as tell,
        ):
            for number in range(max(2, times // len(SHOPS))):
                fake.retry = ("same", "new")[number % 2]
                old = [await expire(storage, shop=shop) for shop in SHOPS]
                before = [fake.grants[session.shop] for session in old]
                pids = json.loads(await tell(SHOPS))
                await asyncio.gather(*map(kill, pids, SHOPS, before))
                assert await tell.answer() == "ended"
                for session, shop in zip(old, SHOPS, strict=True):
                    found = await stored_in(storage, shop)
                    outcomes[found.access_token != session.access_token] += 1
                await asyncio.gather(*(recovers(fake, tokens, storage, shop) for shop in SHOPS))
    assert outcomes[False]  # killed in time; or the test did not test anything


@pytest.mark.parametrize("backend", BACKENDS[1:])
async def test_a_broken_connection_loses_nothing(request, tmp_path, backend, times):
    url, options = address(request, backend, tmp_path)
    server = urlsplit(request.getfixturevalue(f"{backend}_url"))
    with FakeShopify(retry="new") as fake:
        async with Proxy(server.hostname, server.port) as proxy:
            there = url.replace(f":{server.port}", f":{proxy.port}", 1)
            async with parent(fake, there, options) as (tokens, storage):
                for _ in range(times):
                    await expire(storage)
                    before = fake.grants["alpha.myshopify.com"]
                    call = asyncio.create_task(tokens.get("alpha"))
                    await asyncio.wait_for(granted(fake, before), 30)
                    proxy.cut()
                    await asyncio.gather(call, return_exceptions=True)
                    await recovers(fake, tokens, storage)


@pytest.mark.parametrize("backend", BACKENDS)
async def test_a_cancelled_caller_loses_nothing(request, tmp_path, backend, times):
    url, options = address(request, backend, tmp_path)
    with FakeShopify(retry="new") as fake:
        async with parent(fake, url, options) as (tokens, storage):
            for number in range(times):
                await expire(storage)
                calls = [asyncio.create_task(tokens.get("alpha")) for _ in range(3)]
                await asyncio.sleep(random.uniform(0, 0.03))
                calls[0].cancel()
                other = await calls[1]
                assert fake.takes_access_token("alpha", other["token"])
                await recovers(fake, tokens, storage)
                assert fake.grants["alpha.myshopify.com"] == number + 1
                await asyncio.gather(*calls, return_exceptions=True)
