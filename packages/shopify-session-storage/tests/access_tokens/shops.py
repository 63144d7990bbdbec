"""What the tests of access tokens say about shops."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from shopify_session_storage.testing.shopify import Fault

ID = "offline_alpha.myshopify.com"
DOMAIN = "alpha.myshopify.com"
DEAD = {"error": "invalid_request", "error_description": "needs an active refresh_token"}


async def expire(storage, seconds=-60, id=ID, **more):
    """Let a stored access token expire, or be so many seconds from it."""
    session = await storage.load_session(id)
    changed = replace(session, expires=datetime.now(UTC) + timedelta(seconds=seconds), **more)
    await storage.store_session(changed)
    return changed


def always(**fault):
    return [Fault(**fault)] * 20


async def asked(fake, times=1, shop="alpha"):
    """Wait until the endpoint has been asked so often."""
    async with asyncio.timeout(10):
        while fake.requests[f"{shop}.myshopify.com"] < times:
            await asyncio.sleep(0.001)


def end_lease(storage, name=ID):
    """Let the time of a lease be over for the backend."""
    del storage._process_locks()._leases[name]


def aged(token, age):
    """Return an access token as it was issued *age* ago and has lasted since."""
    expires = datetime.fromisoformat(token["refresh_token_expires"]) - age
    return token | {"refresh_token_expires": expires.isoformat()}


class Clock:
    """The clocks of a process, which may be stopped for some time: ``ahead``, in seconds."""

    ahead = 0.0

    def monotonic(self):
        return time.monotonic() + self.ahead

    def time(self):
        return time.time() + self.ahead
