"""RedisSessionStorage keeps every promise of the contract, on each kind of client and server."""

from typing import ClassVar

import pytest
import pytest_asyncio
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from servers.breaking import breakable_server
from servers.discovery import free_port
from servers.handful import Handful
from servers.redis import url_of
from shopify_session_storage.testing import SessionStorageBattery
from shopify_session_storage_redis import RedisSessionStorage
from shopify_session_storage_redis.apart import Apart
from shopify_session_storage_redis.together import Together


class TestRedis(SessionStorageBattery):
    @pytest.fixture
    def storage_factory(self, redis_url, prefix):
        return lambda: RedisSessionStorage(redis_url, session_key_prefix=prefix)

    @pytest_asyncio.fixture
    async def storage(self, storage_factory):
        async with storage_factory() as storage:
            yield storage

    @pytest.fixture
    def failing_storage_factory(self):
        return lambda on_error: RedisSessionStorage(
            url_of("127.0.0.1", free_port()), on_error=on_error
        )

    @pytest_asyncio.fixture
    async def breakable(self, redis_url, prefix):
        def make(url, on_error):
            return RedisSessionStorage(url, session_key_prefix=prefix, on_error=on_error)

        async with breakable_server(redis_url, make) as server:
            yield server


class TestClientOfTheUser(Handful, TestRedis):
    lacks = frozenset({"another_loop"})
    options: ClassVar = {"decode_responses": True, "encoding": "latin-1"}

    @pytest_asyncio.fixture
    async def storage(self, redis_url, prefix):
        async with Redis.from_url(redis_url, **self.options) as client:
            yield RedisSessionStorage(client, session_key_prefix=prefix)
            assert await client.ping()  # is left open

    @pytest.fixture
    def failing_storage_factory(self):
        client = Redis.from_url(url_of("127.0.0.1", free_port()), retry=Retry(NoBackoff(), 0))
        return lambda on_error: RedisSessionStorage(client, on_error=on_error)


class TestClientOfTheUserWithRESP2(TestClientOfTheUser):
    options: ClassVar = {"protocol": 2}


class TestClientOfTheUserWithRESP3(TestClientOfTheUser):
    options: ClassVar = {"protocol": 3, "decode_responses": True}


class TestCluster(SessionStorageBattery):
    lacks = frozenset({"breakable"})  # its nodes tell clients their own addresses, past a proxy

    @pytest.fixture
    def storage_factory(self, redis_cluster_url, prefix):
        return lambda: RedisSessionStorage(redis_cluster_url, session_key_prefix=prefix)

    @pytest_asyncio.fixture
    async def storage(self, storage_factory):
        async with storage_factory() as storage:
            assert isinstance(storage._way, Apart)
            yield storage

    @pytest.fixture
    def failing_storage_factory(self):
        return lambda on_error: RedisSessionStorage(
            url_of("127.0.0.1", free_port(), "redis+cluster"), on_error=on_error
        )


class TestClusterClientOfTheUser(Handful, TestCluster):
    lacks = frozenset({"another_loop"})

    @pytest_asyncio.fixture
    async def storage(self, redis_cluster_url, prefix):
        url = redis_cluster_url.replace("redis+cluster", "redis")
        async with RedisCluster.from_url(url, decode_responses=True) as client:
            yield RedisSessionStorage(client, session_key_prefix=prefix)
            assert await client.ping()


class TestClusterWithHashTag(Handful, TestCluster):
    @pytest.fixture
    def storage_factory(self, redis_cluster_url, prefix):
        return lambda: RedisSessionStorage(redis_cluster_url, session_key_prefix=f"{{{prefix}}}")

    @pytest_asyncio.fixture
    async def storage(self, storage_factory):
        async with storage_factory() as storage:
            assert isinstance(storage._way, Together)
            yield storage
