"""URLs, credentials, options, TLS."""

import tempfile
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest
import redis as sync_redis
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.connection import SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.credentials import CredentialProvider
from servers import redis as servers
from servers.discovery import PASSWORD, USER
from servers.redis_tls import tls
from shopify_session_storage import (
    SessionStorageMigratorOptions,
    SessionStorageUnavailableError,
    open_session_storage,
)
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_redis import RedisSessionStorage
from shopify_session_storage_redis.addresses import Address

SHOP = "alpha.myshopify.com"


@pytest.mark.parametrize(
    ("url", "options", "needed"),
    [("redis://host", {}, False),
     ("rediss://user:p@host/1?client_name=a&protocol=3&socket_timeout=3", {}, False),
     ("unix:///path", {"credential_provider": CredentialProvider()}, False),
     ("redis://host?health_check_interval=0&retry_on_timeout=false", {}, False),
     ("redis://host?health_check_interval=30", {}, True),
     ("redis://host?retry_on_timeout=true", {}, True),
     ("redis://host", {"retry": Retry(NoBackoff(), 3)}, True),
     ("redis://host", {"retry_on_error": [ConnectionError]}, True),
     ("redis+cluster://host", {}, True)],
)  # fmt: skip
def test_redis_py_sends_the_commands_where_it_has_more_to_do_than_to_connect(url, options, needed):
    assert Address(url, options, 10).needs_driver is needed


@pytest.mark.parametrize(
    ("prefix", "has_one"),
    [("{a}", True), ("a{b}c", True), ("{{a}", True), ("{a}{}", True),
     ("a", False), ("{a", False), ("a}", False), ("{}", False), ("{}{a}", False)],
)  # fmt: skip
def test_a_hash_tag_is_what_a_cluster_takes_for_one(prefix, has_one):
    storage = RedisSessionStorage("redis+cluster://host", session_key_prefix=prefix)
    slots = {key_slot(storage._keys.key(id)) for id in ("first", "second")}
    assert storage._together is has_one is (len(slots) == 1)


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


def options_of(url: str) -> dict:
    """Return what redis-py's connection to the first server of a URL is made with."""
    client = Address(url, {}, 7).connect()
    if isinstance(client, RedisCluster):
        node = next(iter(client.nodes_manager.startup_nodes.values()))
        return {**node.connection_kwargs, "tls": node.connection_class is SSLConnection}
    pool = client.connection_pool
    return {**pool.connection_kwargs, "tls": pool.connection_class is SSLConnection}


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("redis://", {"host": None, "tls": False, "socket_timeout": 7}),
        ("redis://host", {"host": "host", "socket_keepalive": True}),
        ("REDIS://host:7/3", {"host": "host", "port": 7, "db": 3}),
        ("redis://host/3?db=4", {"db": 4}),
        ("redis://:p%40ss@[::1]:7", {"host": "::1", "password": "p@ss"}),
        ("valkey://host/3", {"host": "host", "db": 3, "tls": False}),
        ("valkeys://host", {"host": "host", "tls": True}),
        # Upstash, DigitalOcean, Heroku (also as Celery wants it), Railway, Render, Azure
        ("rediss://default:AXjk==@eu1-a.upstash.io:6379",
         {"username": "default", "password": "AXjk==", "tls": True, "ssl_check_hostname": True}),
        ("rediss://default:pw@db-x.ondigitalocean.com:25061", {"port": 25061, "tls": True}),
        ("rediss://:pw@ec2-1-2-3-4.amazonaws.com:6379?ssl_cert_reqs=none",
         {"ssl_cert_reqs": "none", "ssl_check_hostname": False}),
        ("rediss://:pw@ec2-1-2-3-4.amazonaws.com:6379?ssl_cert_reqs=CERT_NONE",
         {"ssl_cert_reqs": "none", "ssl_check_hostname": False}),
        ("redis://default:pw@redis.railway.internal:6379?family=0", {"username": "default"}),
        ("redis://red-abc:6379?family=6", {"host": "red-abc"}),
        ("rediss://:key=@name.redis.cache.windows.net:6380/0?ssl_cert_reqs=required",
         {"password": "key=", "ssl_cert_reqs": "required", "ssl_check_hostname": True}),
        ("redis://host?ssl=true", {"tls": True, "ssl_check_hostname": True}),
        ("redis://host?tls=false", {"tls": False}),
        ("rediss://host?ssl_check_hostname=false&ssl_ca_certs=/ca.pem",
         {"ssl_check_hostname": False, "ssl_ca_certs": "/ca.pem"}),
        # redis-py's own, and ioredis's
        ("redis://host?socket_timeout=1.5&socket_connect_timeout=2&health_check_interval=30",
         {"socket_timeout": 1.5, "socket_connect_timeout": 2, "health_check_interval": 30}),
        ("redis://host?protocol=3&client_name=app&socket_keepalive=no",
         {"protocol": 3, "client_name": "app", "socket_keepalive": False}),
        ("redis://host?decode_responses=True&encoding=latin-1&timeout=20", {"host": "host"}),
        ("redis://host?username=u&password=p", {"username": "u", "password": "p"}),
        ("redis://host?connectTimeout=2500&commandTimeout=1500&connectionName=app&keepAlive=0",
         {"socket_connect_timeout": 2.5, "socket_timeout": 1.5, "client_name": "app",
          "socket_keepalive": False}),
        ("redis://host?enableReadyCheck=false&lazyConnect=true&maxRetriesPerRequest=null", {}),
        ("redis+cluster://u:p@host:7000/0?family=4&socket_timeout=2",
         {"host": "host", "port": 7000, "username": "u", "password": "p", "socket_timeout": 2}),
        ("rediss+cluster://a:1,b:2?ssl_cert_reqs=none",
         {"host": "a", "port": 1, "tls": True, "ssl_check_hostname": False}),
        ("unix:///run/redis.sock?db=2&family=0", {"path": "/run/redis.sock", "db": 2}),
        ("unix:///run/redis.sock?socket_keepalive=yes", {"path": "/run/redis.sock"}),
        ("redis+cluster://host?retry_on_timeout=yes", {"host": "host"}),
        ("redis://host?retry_on_timeout=yes", {"host": "host"}),
        ("unix://u:pw@/run/redis.sock", {"username": "u", "password": "pw"}),
    ],
)  # fmt: skip
def test_what_a_url_says_is_honoured(url, options):
    found = options_of(url)
    assert {name: found.get(name) for name in options} == options
    RedisSessionStorage(url)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://host?sockettimeout=1", "'sockettimeout', which is not known; known are: .*db"),
        ("redis+cluster://host?read_from_replicas=true", "'read_from_replicas'"),
        ("redis://host?keyPrefix=x", "'keyPrefix'"),
        ("redis://host?Db=1", "'Db'"),
        ("redis://host?db=sekret", "'db' .*whole number"),
        ("redis://host?db=-1", "'db' .*whole number"),
        ("redis://host?max_connections=0", "max_connections must be 1 or more"),
        ("redis://host?socket_timeout=-1", "'socket_timeout' .*seconds"),
        ("redis://host?timeout=sekret", "'timeout' .*seconds"),
        ("redis://host?family=5", "'family' .*one of: 0, 4, 6"),
        ("redis://host?protocol=4", "'protocol' .*one of: 2, 3"),
        ("redis://host?socket_keepalive=perhaps", "'socket_keepalive' .*true or false"),
        ("rediss://host?ssl_cert_reqs=sekret", "'ssl_cert_reqs' .*none, optional, required"),
        ("rediss://host?ssl_min_version=TLSv1", "'ssl_min_version' .*TLSv1.2"),
        ("redis://host?ssl_cert_reqs=none", "'ssl_cert_reqs' .*needs rediss://"),
        ("redis://host?sekret", "malformed"),
        ("redis://:12?sekret=1@host/0", "malformed"),
        ("redis://u:pa#sekret@host/0", "malformed"),
        ("rediss+cluster://host?ssl_ca_path=/certs", "'ssl_ca_path'"),
        ("redis://a,b", "redis\\+cluster"),
        ("redis+cluster://a,,b", "malformed"),
        ("redis+sentinel://host:26379/sessions", "Sentinel"),
        ("unix://run/redis.sock", "unix:///path"),
        ("unix://", "unix:///path"),
        ("https://x.upstash.io", "redis://user:password@host:port/db"),
        ("name.redis.cache.windows.net:6380,password=sekret,ssl=True", "a Redis URL is"),
    ],
)  # fmt: skip
def test_what_a_url_says_is_refused_by_name(url, words):
    with pytest.raises(ValueError, match=words) as caught:
        RedisSessionStorage(url)
    assert "sekret" not in f"{caught.value!r} {caught.value.__context__!r}"
    assert all("sekret" not in repr(frame.f_locals) for frame in frames_of(caught.value))


def frames_of(error: BaseException) -> list:
    """Return the frames of an error but the first one, which is the test's."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return frames[1:]


def test_every_scheme_is_found_by_its_name():
    for scheme in ("redis", "rediss", "valkey", "valkeys", "redis+cluster", "rediss+cluster"):
        assert isinstance(open_session_storage(f"{scheme}://host"), RedisSessionStorage)
    storage = open_session_storage("unix://u:sekret@/run/redis.sock")
    assert repr(storage) == "<RedisSessionStorage on /run/redis.sock>"
    assert repr(RedisSessionStorage("redis+cluster://u:sekret@a:1,b:2")) == (
        "<RedisSessionStorage on a:1,b:2>"
    )


@pytest.mark.asyncio
async def test_a_unix_socket_is_an_address(tmp_path):
    path = tmp_path / "redis.sock"
    with servers.local(tmp_path, "--unixsocket", str(path)):
        login = f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}"
        for make in (RedisSessionStorage, open_session_storage):
            async with make(f"unix://{login}@{path}?db=1", on_error="raise") as storage:
                session = offline_session(SHOP)
                await storage.store_session(session)
                assert session.equals(await storage.load_session(session.id))
        async with RedisSessionStorage(f"unix://{login}@{path}", on_error="raise") as storage:
            assert await storage.find_sessions_by_shop(SHOP) == []


@pytest.mark.asyncio
async def test_credentials_that_change_come_from_a_provider(tmp_path):
    with servers.local(tmp_path) as url:
        given = []

        class Provider(CredentialProvider):
            def get_credentials(self):
                given.append(1)
                return USER, PASSWORD

        async with RedisSessionStorage(
            f"redis://{url.rpartition('@')[2]}",
            client_options={"credential_provider": Provider()},
            on_error="raise",
        ) as storage:
            assert await storage.store_session(offline_session(SHOP))
        assert given


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
    with pytest.raises(ValueError, match="no_such_option"):
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
    with tempfile.TemporaryDirectory() as name, tls(Path(name)) as url:
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
