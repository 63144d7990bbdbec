"""A migration of many shops, some of them in trouble, by processes that are killed.

``python3 tools/test.py access_tokens_migration -- --times 200`` kills 20 times, over 2,000 shops.
"""

import asyncio
import json
import pickle
import random
import sys
from pathlib import Path

import pytest
from shopify_app import ShopifyApp
from shopify_session_storage import open_session_storage
from shopify_session_storage.access_tokens import AccessTokenStore, ReauthorizationRequired
from shopify_session_storage.testing.shopify import FakeShopify, Fault

from .access_tokens_processes import address

WORKER = Path(__file__).with_name("access_tokens_migration.py")
PROCESSES, PER_SECOND = 3, 20
UNDER_WAY = 40  # at most, at this pace

# One shop in twenty is in trouble for good, each in another way.
TROUBLES = [
    {"status": 404},
    {"status": 402},
    {"status": 503},
    {"status": 429, "headers": {"Retry-After": "600"}},
    {"status": 400, "body": {"error": "invalid_subject_token"}},
    {"body": {"access_token": "shpat_1", "scope": "", "expires_in": 10**9}},
    {"dropped": True},
    {"stalled": True, "status": 503},  # else the answer is given, and only late
]


async def start(settings, folder, name):
    settings = settings | {"report": str(folder / f"{name}.pickle")}
    file = folder / f"{name}.json"
    file.write_text(json.dumps(settings), encoding="utf-8")
    return await asyncio.create_subprocess_exec(
        sys.executable, str(WORKER), str(file), stderr=asyncio.subprocess.DEVNULL
    )


@pytest.mark.parametrize("backend", ["sqlite", "postgresql", "mysql", "redis"])
@pytest.mark.asyncio
async def test_each_shop_is_converted_once_or_reported(request, tmp_path, backend, times):
    url, options = address(request, backend, tmp_path)
    kills = max(2, times // 10)
    shops = [f"shop-{number}" for number in range(100 * kills)]
    in_trouble = {shop: TROUBLES[n % 8] for n, shop in enumerate(shops[7::20])}
    with FakeShopify() as fake:
        async with open_session_storage(url, **options) as storage, fake.client() as client:
            tokens = AccessTokenStore(storage)
            for shop in shops:
                await tokens.save(fake.install(shop, expiring=False))
            for shop, trouble in in_trouble.items():
                fake.fail(shop, *[Fault(**trouble)] * 10_000)
            settings = {
                "storage": url,
                "options": options,
                "endpoint": fake.url,
                "client_id": fake.client_id,
                "client_secret": fake.client_secret,
                "request_timeout": 3.0,
                "shops": [*shops, "no shop", ""],
                "per_second": PER_SECOND,
            }
            running = [await start(settings, tmp_path, f"first-{n}") for n in range(PROCESSES)]
            for kill in range(kills):
                before = fake.grants.total()
                async with asyncio.timeout(60):  # the moments are spread over the work
                    while fake.grants.total() < before + random.randint(10, 40):
                        await asyncio.sleep(0.005)
                        if all(process.returncode is not None for process in running):
                            break
                process = running.pop(0)
                if process.returncode is None:
                    process.kill()
                await process.wait()
                running.append(await start(settings, tmp_path, f"again-{kill}"))
            for process in running:
                assert await asyncio.wait_for(process.wait(), 300) == 0
            last = await start(settings, tmp_path, "last")
            assert await asyncio.wait_for(last.wait(), 300) == 0
            report, _ = pickle.loads((tmp_path / "last.pickle").read_bytes())

            app = ShopifyApp(fake.client_id, fake.client_secret)
            tokens = AccessTokenStore(storage, app, http_client=client)
            lost = []
            for shop in shops:
                domain = f"{shop}.myshopify.com"
                stored = await storage.load_session(f"offline_{domain}")
                if shop in in_trouble:
                    assert domain in report.failed
                    assert fake.takes_access_token(shop, stored.access_token)
                elif domain in report.failed:  # killed with the answer in its hand
                    assert isinstance(report.failed[domain], ReauthorizationRequired)
                    lost.append(shop)
                else:
                    assert domain in report.skipped or domain in report.done
                    assert fake.takes_refresh_token(shop, stored.refresh_token)
                    assert fake.grants[domain] == 1
            # Shopify ends the old token when it answers: what nobody lived to store is lost.
            assert len(lost) <= kills * UNDER_WAY
            assert set(report.failed) >= {"no shop", ""}
            assert len(report.failed) == len(in_trouble) + len(lost) + 2
            for shop in lost:
                await tokens.get_or_exchange(fake.verified(shop))  # a merchant helps
                assert (await tokens.get(shop)).token
