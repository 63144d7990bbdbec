"""Ours with a cache of this process around it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shopify_session_storage import CachedSessionStorage
from shopify_session_storage_redis import RedisSessionStorage

from bench.ours import Ours


@asynccontextmanager
async def redis(url: str, prefix: str) -> AsyncIterator[Ours]:
    """Open Redis."""
    storage = RedisSessionStorage(url, session_key_prefix=prefix, on_error="raise")
    async with CachedSessionStorage(storage) as cached:
        yield Ours(cached)
