"""Access tokens in programs that run an event loop for each call: Lambda, Celery, Flask, cron."""

import asyncio
import logging
import subprocess
import sys
import textwrap
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from shopify_app import ShopifyApp
from shopify_session_storage import open_session_storage
from shopify_session_storage.access_tokens import AccessTokenStore
from shopify_session_storage.testing.shopify import FakeShopify

ID = "offline_alpha.myshopify.com"


class App:
    """Shopify's package with a client for each call, as it makes one itself."""

    def __init__(self, fake):
        self.fake = fake
        self.shopify = ShopifyApp(fake.client_id, fake.client_secret)


class AsyncApp(App):
    async def refresh_token_exchanged_access_token_async(self, token):
        async with self.fake.client() as client:
            return await self.shopify.refresh_token_exchanged_access_token_async(
                token, http_client=client
            )


class SyncApp(App):
    def refresh_token_exchanged_access_token(self, token):
        with self.fake.sync_client() as client:
            return self.shopify.refresh_token_exchanged_access_token(token, http_client=client)


async def expire(storage, seconds):
    stored = await storage.load_session(ID)
    expires = datetime.now(UTC) + timedelta(seconds=seconds)
    await storage.store_session(replace(stored, expires=expires))
    return stored.access_token


@pytest.mark.parametrize("kind", [AsyncApp, SyncApp])
@pytest.mark.parametrize("work", [0, 0.002, 0.02])
def test_a_due_token_is_refreshed(tmp_path, caplog, kind, work):
    caplog.set_level(logging.WARNING, "shopify_session_storage.access_tokens")
    storage = open_session_storage(f"sqlite:///{(tmp_path / 's.db').as_posix()}", on_error="raise")

    async def call():
        token = await tokens.get("alpha")
        await asyncio.sleep(work)  # what the app does with it
        return token["token"]

    with FakeShopify() as fake:
        tokens = AccessTokenStore(storage, kind(fake))
        asyncio.run(tokens.save(fake.install("alpha")))
        for number in range(5):
            old = asyncio.run(expire(storage, 60))
            first, second = asyncio.run(call()), asyncio.run(call())
            assert first == old or number
            assert second != old
            stored = asyncio.run(storage.load_session(ID))
            assert second == stored.access_token
            assert fake.takes_refresh_token("alpha", stored.refresh_token)
        # In 20 ms a refresh can come to its end beside the app's work; in less it cannot.
        assert tokens._flights.cut_off or work == 0.02
        if tokens._flights.cut_off:
            [warning] = [record.getMessage() for record in caplog.records]
            assert "aclose()" in warning
        # Somebody with a valid token is served although Shopify does not answer.
        fake.uninstall("alpha")
        old = asyncio.run(expire(storage, 60))
        assert asyncio.run(call()) == old
    asyncio.run(storage.disconnect())


def test_where_the_object_is_closed_nobody_waits(tmp_path, caplog):
    storage = open_session_storage(f"sqlite:///{(tmp_path / 's.db').as_posix()}", on_error="raise")

    async def call():
        async with AccessTokenStore(storage, app) as tokens:
            return (await tokens.get("alpha"))["token"]

    with FakeShopify() as fake:
        app = AsyncApp(fake)
        asyncio.run(AccessTokenStore(storage, app).save(fake.install("alpha")))
        for _ in range(3):
            old = asyncio.run(expire(storage, 60))
            assert asyncio.run(call()) == old
            assert asyncio.run(call()) != old
    assert not caplog.records
    asyncio.run(storage.disconnect())


def test_a_process_ends_in_time_whatever_was_under_way(tmp_path):
    program = f"""
        import asyncio
        from datetime import UTC, datetime, timedelta
        from shopify_session_storage import open_session_storage
        from shopify_session_storage.access_tokens import AccessTokenStore

        class App:
            async def refresh_token_exchanged_access_token_async(self, token):
                await asyncio.sleep(60)

        storage = open_session_storage("sqlite:///{(tmp_path / "s.db").as_posix()}")
        tokens = AccessTokenStore(storage, App())
        now = datetime.now(UTC)
        token = {{
            "shop": "alpha", "token": "shpat_1", "access_mode": "offline", "scope": "",
            "expires": (now + timedelta(minutes=1)).isoformat(),
            "refresh_token": "shprt_1",
            "refresh_token_expires": (now + timedelta(days=90)).isoformat(),
        }}

        async def main():
            await tokens.save(token)
            assert (await tokens.get("alpha"))["token"] == "shpat_1"
            await asyncio.sleep(0.1)

        asyncio.run(main())

        async def free():
            lease = tokens._leases.of("{ID}")
            assert await lease.acquire()
            await storage.disconnect()

        asyncio.run(free())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        timeout=30,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
