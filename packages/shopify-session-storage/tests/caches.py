"""What tests of caches have in common: a session, a clock, a cache of a scripted storage."""

from datetime import UTC, datetime, timedelta

from shopify_session_storage import CachedSessionStorage
from shopify_session_storage.testing.sessions import offline_session

from .scripted import ScriptedStorage

SHOP = "a.myshopify.com"
TTL = timedelta(seconds=30)


def session(id="a", token="shpat_1", **changes):
    changes.setdefault("refresh_token", f"shprt_{token}")
    changes.setdefault("expires", datetime.now(UTC) + timedelta(hours=1))
    return offline_session(SHOP, id=id, access_token=token, **changes)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


async def cached(**options):
    storage = ScriptedStorage(max_groups=8)
    await storage.ready()
    storage.calls.clear()
    return storage, CachedSessionStorage(storage, **options)
