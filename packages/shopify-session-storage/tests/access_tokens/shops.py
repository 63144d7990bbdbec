"""What the tests of access tokens say about shops."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from shopify_session_storage.testing.shopify import Fault

ID = "offline_alpha.myshopify.com"
DOMAIN = "alpha.myshopify.com"


async def expire(storage, seconds=-60, id=ID, **more):
    """Let a stored access token expire, or be so many seconds from it."""
    session = await storage.load_session(id)
    changed = replace(session, expires=datetime.now(UTC) + timedelta(seconds=seconds), **more)
    await storage.store_session(changed)
    return changed


def always(**fault):
    return [Fault(**fault)] * 20
