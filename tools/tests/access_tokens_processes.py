"""Processes of an app, and what they share, for the tests of access tokens on real backends."""

import asyncio
import json
import random
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from servers.places import place
from shopify_app import ShopifyApp
from shopify_session_storage import open_session_storage
from shopify_session_storage.access_tokens import AccessTokenStore

WORKER = Path(__file__).with_name("access_tokens_worker.py")

BACKENDS = ["sqlite", "postgresql", "mysql", "redis", "mongodb", "dynamodb"]


def address(request, backend, tmp_path):
    """Return the URL and the options of a storage that no other test uses."""
    url = "" if backend == "sqlite" else request.getfixturevalue(f"{backend}_url")
    return place(backend, url, tmp_path)


@asynccontextmanager
async def worker(how, fake, url, options, request_timeout=10.0, cached_seconds=0):
    """Start a process of the app, and give what sends it a line and returns the answer."""
    settings = {
        "storage": url,
        "options": options,
        "endpoint": fake.url,
        "client_id": fake.client_id,
        "client_secret": fake.client_secret,
        "request_timeout": request_timeout,
        "cached_seconds": cached_seconds,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(WORKER),
        how,
        json.dumps(settings),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )

    async def answer():
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        assert line, "the process ended"
        return line.decode().strip()

    async def tell(what):
        send(what)
        return await answer()

    def send(what):
        process.stdin.write(json.dumps(what).encode() + b"\n")

    tell.answer = answer
    tell.send = send
    tell.signal = process.send_signal
    try:
        assert await answer() == "ready"
        yield tell
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 30)
        except TimeoutError:
            process.kill()
            await process.wait()


async def stored_in(storage, shop):
    return await storage.load_session(f"offline_{shop}.myshopify.com")


async def expire(storage, seconds=-60, shop="alpha"):
    """Let the stored access token expire, or be so many seconds from it."""
    stored = await stored_in(storage, shop)
    expires = datetime.now(UTC) + timedelta(seconds=seconds)
    await storage.store_session(replace(stored, expires=expires))
    return stored


async def recovers(fake, tokens, storage, shop="alpha"):
    """The next call has a token that Shopify takes, and the one after it will have one, too."""
    got = await tokens.get(shop)
    stored = await stored_in(storage, shop)
    assert fake.takes_access_token(shop, got["token"])
    assert fake.takes_refresh_token(shop, stored.refresh_token)


@asynccontextmanager
async def parent(fake, url, options, shops=("alpha",)):
    app = ShopifyApp(fake.client_id, fake.client_secret)
    async with (
        fake.client() as client,
        open_session_storage(url, **options) as storage,
        AccessTokenStore(storage, app, http_client=client) as tokens,
    ):
        for shop in shops:
            await tokens.save(fake.install(shop))
        yield tokens, storage


async def granted(fake, before, shop="alpha"):
    """Wait until the endpoint has rotated once more, and a moment longer."""
    async with asyncio.timeout(30):
        while fake.grants[f"{shop}.myshopify.com"] == before:
            await asyncio.sleep(0.001)
    await asyncio.sleep(random.uniform(0, 0.02))
