"""Keys that the official JavaScript adapter wrote, at any age, become ours and stay its own."""

import asyncio
import json
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import golden
import pytest
import redis as sync_redis
from redis.asyncio import Redis
from servers import redis as servers
from shopify_session_storage import MigrationError, SessionStorageUnavailableError
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_redis import RedisSessionStorage

DATA = Path(__file__).parent / "data"
RECORD = '{"migrateToVersion1_0_1":true}'
PENDING = "python_shop_lists_pending"


@pytest.fixture(scope="module")
def empty_server():
    """Return the URL of a server of its own; tests delete everything on it."""
    with tempfile.TemporaryDirectory() as name, servers.local(Path(name)) as url:
        yield url


@pytest.fixture
def url(empty_server):
    with servers.connect(empty_server) as server:
        server.flushall()
    return empty_server


@pytest.fixture
def server(url):
    client = sync_redis.Redis.from_url(url, decode_responses=True)
    yield client
    client.close()


def restore(server: sync_redis.Redis, path: Path) -> None:
    for entry in golden.load(path):
        server.set(entry["key"], entry["value"])


def everything(server: sync_redis.Redis) -> dict[str, str]:
    return {key: server.get(key) for key in server.scan_iter() if server.type(key) == "string"}


def listed(keys: dict[str, str]) -> dict[str, object]:
    """Return keys and values, lists of shops in any order."""
    return {
        key: sorted(json.loads(value)) if value.startswith('["') else value
        for key, value in keys.items()
    }


@pytest.mark.asyncio
async def test_keys_of_todays_adapter_are_read_with_every_value_right(url, server):
    restore(server, DATA / "golden" / "keys.json")
    before = everything(server)
    expected = golden.load(DATA / "golden" / "expected_loads.json")
    # JavaScript leaves a session that has moved on the list of its old shop.
    for shop, sessions in expected["findSessionsByShop"].items():
        expected["findSessionsByShop"][shop] = [one for one in sessions if one["shop"] == shop]
    async with RedisSessionStorage(url, on_error="raise") as storage:
        await golden.assert_loads(storage, expected)
        assert everything(server) == before
        # What we write in their place is the same text.
        for id, data in expected["loadSession"].items():
            if data is not None:
                await storage.store_session(await storage.load_session(id))
    after = everything(server)
    texts = {key: value for key, value in before.items() if value.startswith("[[")}
    differing = [key for key, value in texts.items() if after[key] != value]
    assert len(texts) > 10
    assert all('["userId"' in texts[key] or "null" in texts[key] for key in differing), differing


@pytest.mark.asyncio
async def test_empty_server_gets_the_record_alone(url, server):
    async with RedisSessionStorage(url, on_error="raise"):
        pass
    assert everything(server) == {
        entry["key"]: entry["value"] for entry in golden.load(DATA / "golden" / "keys_fresh.json")
    }


@pytest.mark.asyncio
async def test_database_from_before_the_lists_is_migrated(url, server):
    restore(server, DATA / "old_schemas" / "redis_v1_0_keys.json")
    after_js = golden.load(DATA / "old_schemas" / "redis_v1_0_after_js.json")
    for _ in range(2):  # the second time there is nothing left to do
        async with RedisSessionStorage(url, on_error="raise") as storage:
            await golden.assert_loads(storage, after_js["loads"])
        wanted = {entry["key"]: entry["value"] for entry in after_js["keys"]}
        assert listed(everything(server)) == listed(wanted)


@pytest.mark.asyncio
async def test_keys_of_version_4_are_read_and_left_as_they_are(url, server):
    restore(server, DATA / "old_schemas" / "redis_v4_keys.json")
    before = everything(server)
    after_js = golden.load(DATA / "old_schemas" / "redis_v4_after_js.json")
    async with RedisSessionStorage(url, on_error="raise") as storage:
        await golden.assert_loads(storage, after_js["loads"])
    assert everything(server) == before


@pytest.mark.asyncio
async def test_foreign_keys_are_left_alone(url, server):
    restore(server, DATA / "old_schemas" / "redis_v1_0_keys.json")
    some = server.get("shopify_sessions_offline_old-bare.myshopify.com")
    server.hset("shopify_sessions_hash", "a", "b")
    server.rpush("shopify_sessions_queue", "a")
    foreign = {
        "shopify_sessions_text": "no JSON",
        "shopify_sessions_object": '{"a":1}',
        "shopify_sessions_list": '["shopify_sessions_x"]',
        "shopify_sessions_number": "1",
        "shopify_sessions_null": "null",
        "shopify_sessions_pairs": '[["shop","old-bare.myshopify.com"]]',
        "shopify_sessions_copy": some,
        "shopify_sessions2_offline_old-bare.myshopify.com": some,
        "shopify_sessionsX": some,
        "shopify_sessions_2_offline_old-bare.myshopify.com": some,
        "other": some,
    }
    server.mset(foreign)
    server.set(b"shopify_sessions_\xff", b"\xff")
    after_js = golden.load(DATA / "old_schemas" / "redis_v1_0_after_js.json")
    async with RedisSessionStorage(url, on_error="raise") as storage:
        await golden.assert_loads(storage, after_js["loads"])
    assert {key: server.get(key) for key in foreign} == foreign
    assert server.hgetall("shopify_sessions_hash") == {"a": "b"}
    assert server.get("shopify_sessions_migrations") == RECORD


@pytest.mark.asyncio
async def test_names_in_the_record_are_kept(url, server):
    server.set("shopify_sessions_migrations", ' { "mine/é" : true, "b": {"c": [1]} } ')
    async with RedisSessionStorage(url, on_error="raise"):
        pass
    record = json.loads(server.get("shopify_sessions_migrations"))
    assert record == {"mine/é": True, "b": {"c": [1]}, "migrateToVersion1_0_1": True}


@pytest.mark.asyncio
@pytest.mark.parametrize("record", ["no JSON", "7", '"text"'])
async def test_record_that_is_none_is_an_error(url, server, record):
    server.set("shopify_sessions_migrations", record)
    with pytest.raises((MigrationError, SessionStorageUnavailableError), match="no JSON object"):
        await RedisSessionStorage(url).ready()
    assert server.get("shopify_sessions_migrations") == record


@pytest.mark.asyncio
async def test_migration_scans_and_blocks_nobody(url, server):
    fill(server, 5000)
    server.config_set("slowlog-log-slower-than", 20_000)  # microseconds
    server.slowlog_reset()
    server.config_resetstat()
    async with RedisSessionStorage(url, on_error="raise") as storage:
        assert len(await storage.find_sessions_by_shop("3.example")) == 100
        stats = server.info("commandstats")
        assert "cmdstat_keys" not in stats
        assert stats["cmdstat_scan"]["calls"] > 10
        server.config_resetstat()
    assert server.slowlog_len() == 0
    async with RedisSessionStorage(url, on_error="raise") as storage:
        pass
    assert "cmdstat_scan" not in server.info("commandstats")


def fill(server: sync_redis.Redis, count: int) -> None:
    """Store sessions of 50 shops as 1.0.0 did."""
    pairs = (online_session(f"{n % 50}.example", n).to_property_array(True) for n in range(count))
    server.mset({f"shopify_sessions_{dict(one)['id']}": json.dumps(one) for one in pairs})


STARTING = """
    import asyncio, os, signal, sys
    from shopify_session_storage_redis import RedisSessionStorage, client

    url, left = sys.argv[1], [int(argument) for argument in sys.argv[2:]]
    one, each = client.Client.one, client.Client.each

    def count():
        if left:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def counting_one(self, command):
        count()
        return one(self, command)

    def counting_each(self, commands):
        count()
        return each(self, commands)

    client.Client.one, client.Client.each = counting_one, counting_each

    async def main():
        async with RedisSessionStorage(url, on_error="raise") as storage:
            assert len(await storage.find_sessions_by_shop("3.example")) == 20

    asyncio.run(main())
"""


def starting(url: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a process that opens the storage; with a number, it dies before that command."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(STARTING), url, *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
    )


def check_migrated(server: sync_redis.Redis) -> None:
    assert server.get("shopify_sessions_migrations") == RECORD
    for number in range(50):
        names = json.loads(server.get(f"shopify_sessions_{number}.example"))
        assert len(names) == len(set(names)) == 20


def test_twenty_processes_start_at_once(url, server):
    fill(server, 1000)
    for process in [starting(url) for _ in range(20)]:
        _, errors = process.communicate(timeout=100)
        assert process.returncode == 0, errors
    check_migrated(server)


def test_process_killed_at_any_command_leaves_what_the_next_start_completes(url, server):
    survived = False
    for number in range(40):
        server.flushall()
        fill(server, 1000)
        process = starting(url, number)
        _, errors = process.communicate(timeout=60)
        survived = process.returncode == 0
        assert survived or process.returncode == -9, errors
        record = json.loads(server.get("shopify_sessions_migrations") or "{}")
        if record and not survived and number < 10:
            assert record == {"migrateToVersion1_0_1": True, PENDING: True}
        asyncio.run(open_and_close(url))
        check_migrated(server)
        if survived:
            break
    assert survived
    assert number > 10


async def open_and_close(url: str) -> None:
    async with RedisSessionStorage(url):
        pass


@pytest.mark.asyncio
async def test_cluster_is_migrated_and_keys_of_all_its_nodes_are_found(redis_cluster_url, prefix):
    plain = redis_cluster_url.replace("redis+cluster", "redis")
    many = [online_session(f"{n % 7}.example", n) for n in range(300)]
    with sync_redis.RedisCluster.from_url(plain) as cluster:
        for one in many:
            cluster.set(f"{prefix}_{one.id}", json.dumps(one.to_property_array(True)))
        cluster.hset(f"{prefix}_hash", "a", "b")
        async with RedisSessionStorage(
            redis_cluster_url, session_key_prefix=prefix, on_error="raise"
        ) as storage:
            for number in range(7):
                found = await storage.find_sessions_by_shop(f"{number}.example")
                assert {one.id for one in found} == {one.id for one in many[number::7]}
        assert cluster.get(f"{prefix}_migrations") == RECORD.encode()


@pytest.mark.asyncio
async def test_sessions_stored_during_a_migration_are_listed(url, server):
    fill(server, 3000)
    async with Redis.from_url(url) as client:
        late = RedisSessionStorage(client, on_error="raise")
        early = [RedisSessionStorage(url, on_error="raise") for _ in range(3)]
        new = [offline_session(f"{n}.example") for n in range(50)]
        await asyncio.gather(*(one.ready() for one in early), *map(late.store_session, new))
        for number in range(50):
            assert len(await late.find_sessions_by_shop(f"{number}.example")) == 61
        await asyncio.gather(*(one.disconnect() for one in early))
