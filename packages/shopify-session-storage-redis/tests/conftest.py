"""Key prefixes of their own for tests, and what looks at the keys."""

from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest
import pytest_asyncio
import redis as sync_redis
from redis.asyncio import Redis
from servers.proxy import Proxy
from shopify_session_storage_redis import RedisSessionStorage

from .meddling import Meddler


@pytest.fixture
def prefix() -> str:
    """Return a prefix that no other test uses, and that a pattern would misunderstand."""
    return f"test [a-z]*?\\ é {uuid4().hex}"


@pytest_asyncio.fixture
async def raw(redis_url):
    """Return a client to look at keys with, and to write them."""
    client = Redis.from_url(redis_url, decode_responses=True)
    yield client
    await client.aclose()


@pytest_asyncio.fixture
async def storage(redis_url, prefix):
    """Return a storage that raises failures, with a prefix of its own."""
    async with RedisSessionStorage(
        redis_url, session_key_prefix=prefix, on_error="raise"
    ) as storage:
        yield storage


@pytest_asyncio.fixture
async def proxy(redis_url):
    """Return a proxy in front of the server."""
    parts = urlsplit(redis_url)
    async with Proxy(parts.hostname, parts.port or 6379) as proxy:
        yield proxy


@pytest_asyncio.fixture
async def meddler(redis_url):
    """Return a proxy in front of the server that is up to no good."""
    async with Meddler(redis_url) as meddler:
        yield meddler


def through(proxy: Proxy, url: str) -> str:
    """Return *url* with the address of the proxy."""
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{proxy.port}"))


@pytest.fixture(params=["one server", "cluster"])
def any_url(request):
    """Return the URL of one server, and that of a cluster."""
    name = "redis_url" if request.param == "one server" else "redis_cluster_url"
    return request.getfixturevalue(name)


def raw_of(url: str) -> sync_redis.Redis:
    if url.startswith("redis+cluster"):
        plain = url.replace("redis+cluster", "redis")
        return sync_redis.RedisCluster.from_url(plain, decode_responses=True)
    return sync_redis.Redis.from_url(url, decode_responses=True)
