"""A key prefix in Redis."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import servers.redis

from interop.backends.backend import Backend, Space


@asynccontextmanager
async def _redis(url: str, _: Path) -> AsyncIterator[Space]:
    import golden
    from redis.asyncio import Redis
    from shopify_session_storage_redis import RedisSessionStorage

    prefix = f"interop {uuid4().hex}"

    async def restore(data: Path) -> None:
        async with Redis.from_url(url) as client:
            for row in golden.load(data):
                key = row["key"].replace("shopify_sessions", prefix)
                await client.set(key, row["value"].replace("shopify_sessions_", f"{prefix}_"))

    yield Space(
        lambda: RedisSessionStorage(url, session_key_prefix=prefix, on_error="raise"),
        {"url": url, "prefix": prefix},
        restore,
    )


REDIS = Backend(
    "redis",
    servers.redis.REDIS,
    _redis,
    ("redis",),
    ("redis",),
    dict.fromkeys(("redis_v1_0_keys.json", "redis_v4_keys.json")),
)
