"""URLs, credentials, options, TLS."""

import tempfile
from pathlib import Path

import pytest
import redis as sync_redis
from redis.asyncio import Redis
from servers import redis as servers
from servers.discovery import PASSWORD, USER
from shopify_session_storage import (
    SessionStorageMigratorOptions,
    SessionStorageUnavailableError,
    open_session_storage,
)
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_redis import RedisSessionStorage

SHOP = "alpha.myshopify.com"


@pytest.mark.parametrize(
    "url",
    ["", "localhost", "mysql://user:sekret@host/1", "redis://user:sekret@host/name",
     "redis://user:sek/ret@host/0", "redis://user:sekret@host:0/0", "redis://u:sekret@host:99999",
     "redis://u:sekret@host/0?socket_timeout=sekret", "redis+cluster://u:sekret@host/3",
     "rediss://u:sekret@host?ssl_cert_reqs=sekret", "redis://[::1:6379"],
)  # fmt: skip
def test_bad_url_is_refused_without_showing_it(url):
    with pytest.raises(ValueError, match="Redis") as caught:
        RedisSessionStorage(url)
    chain = f"{caught.value!r} {caught.value.__cause__} {caught.value.__context__}"
    if caught.value.__suppress_context__:
        chain = repr(caught.value)
    assert "sek" not in chain.replace("'sekret' is not", "sek")


@pytest.mark.asyncio
async def test_bad_arguments_are_refused(redis_url):
    for bad in (None, 7, b"redis://host", sync_redis.Redis()):
        with pytest.raises(TypeError, match="url must be"):
            RedisSessionStorage(bad)
    client = Redis.from_url(redis_url)
    with pytest.raises(ValueError, match="client_options are for"):
        RedisSessionStorage(client, client_options={})
    with pytest.raises(TypeError, match="no_such_option"):
        RedisSessionStorage(redis_url, client_options={"no_such_option": 1})
    with pytest.raises(TypeError, match="no_such_option"):
        RedisSessionStorage(f"{redis_url}?no_such_option=1")
    with pytest.raises(TypeError, match="no_such_option"):
        RedisSessionStorage("redis+cluster://host", client_options={"no_such_option": 1})
    for prefix in ("", "a\0", "\ud800"):
        with pytest.raises(ValueError, match="session_key_prefix"):
            RedisSessionStorage(redis_url, session_key_prefix=prefix)
    with pytest.raises(TypeError, match="session_key_prefix"):
        RedisSessionStorage(redis_url, session_key_prefix=None)
    with pytest.raises(ValueError, match="on_error"):
        RedisSessionStorage(redis_url, on_error="ignore")
    with pytest.raises(TypeError, match="migrator_options"):
        RedisSessionStorage(redis_url, migrator_options={})
    with pytest.raises(ValueError, match="always shopify_sessions_migrations"):
        RedisSessionStorage(redis_url, migrator_options=SessionStorageMigratorOptions("mine"))
    RedisSessionStorage(redis_url, migrator_options=SessionStorageMigratorOptions())


@pytest.mark.asyncio
async def test_credentials_need_no_escaping(prefix):
    with tempfile.TemporaryDirectory() as name, servers.local(Path(name)) as url:
        port = int(url.rpartition(":")[2])
        storage = RedisSessionStorage.with_credentials(
            "127.0.0.1", 3, USER, PASSWORD, port=port, session_key_prefix=prefix, on_error="raise"
        )
        async with storage:
            await storage.store_session(offline_session(SHOP))
        async with RedisSessionStorage(f"{url}/3", session_key_prefix=prefix) as other:
            assert len(await other.find_sessions_by_shop(SHOP)) == 1
        async with RedisSessionStorage(url, session_key_prefix=prefix) as other:
            assert await other.find_sessions_by_shop(SHOP) == []
        assert PASSWORD not in repr(storage)
        assert "127.0.0.1" in repr(storage)


@pytest.mark.asyncio
async def test_tls_is_redis_pys_own(redis_url):
    with tempfile.TemporaryDirectory() as name, servers.tls(Path(name)) as url:
        session = offline_session(SHOP)
        async with open_session_storage(url, on_error="raise") as storage:
            await storage.store_session(session)
            assert session.equals(await storage.load_session(session.id))
        url, _, _ = url.partition("?")
        async with RedisSessionStorage(
            url, client_options={"ssl_ca_certs": f"{name}/ca.pem"}, on_error="raise"
        ) as storage:
            assert session.equals(await storage.load_session(session.id))
        with pytest.raises(SessionStorageUnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
            await RedisSessionStorage(url).ready()
