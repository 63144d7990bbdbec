"""What the storage does about each answer of a server that is no good."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis.exceptions as errors
from redis.asyncio import Redis
from redis.asyncio.connection import Connection
from servers import redis as servers
from shopify_session_storage import SessionStorageUnavailableError, Verdict
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_redis import RedisSessionStorage
from shopify_session_storage_redis.errors import CODES, scrub, verdict_on, wording_of

SHOP = "alpha.myshopify.com"
README = Path(__file__).parents[1] / "README.md"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

IN_A_SCRIPT = (
    "ERR Error running script (call to f_b4e6): @user_script:12: @user_script: 12: -{} sekret "
)
LOST = ["READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "UNBLOCKED", "NOREPLICAS"]
CONFLICT = ["TRYAGAIN", "BUSY"]
DENIED = ["NOAUTH", "WRONGPASS", "NOPERM", "DENIED"]
UNAVAILABLE = ["OOM", "MISCONF", "WRONGTYPE"]


def answers(code: str) -> list[str]:
    """Return how servers say it, also up to version 6.2, and a script."""
    text = "Authentication required. sekret" if code == "NOAUTH" else "sekret"
    return [f"{code} {text}", IN_A_SCRIPT.format(code)]


@pytest.mark.parametrize("answer", [one for code in LOST for one in answers(code)])
@pytest.mark.asyncio
async def test_a_server_that_cannot_go_on_is_left_for_a_fresh_connection(
    redis_url, prefix, meddler, answer
):
    async with RedisSessionStorage(
        meddler.url(redis_url), session_key_prefix=prefix, on_error="raise"
    ) as storage:
        session = offline_session(SHOP)
        await storage.store_session(session)
        meddler.instead = [answer]
        before = meddler.connections
        assert await storage.store_session(session) is True
        assert meddler.connections == before + 1
        await asyncio.sleep(0.05)
        assert meddler.closed == before  # the old one is not used again


@pytest.mark.parametrize("answer", [one for code in CONFLICT for one in answers(code)])
@pytest.mark.asyncio
async def test_what_is_over_in_a_moment_is_waited_for(redis_url, prefix, meddler, answer):
    async with RedisSessionStorage(
        meddler.url(redis_url), session_key_prefix=prefix, on_error="raise"
    ) as storage:
        meddler.instead = [answer, answer]
        assert await storage.store_session(offline_session(SHOP)) is True
        assert meddler.instead == []


@pytest.mark.parametrize(
    "answer", [one for code in (*DENIED, *UNAVAILABLE) for one in answers(code)]
)
@pytest.mark.asyncio
async def test_what_does_not_pass_is_told_by_its_code(redis_url, prefix, meddler, answer, caplog):
    code = next(code for code in (*DENIED, *UNAVAILABLE) if code in answer)
    url = meddler.url(redis_url)
    async with RedisSessionStorage(url, session_key_prefix=prefix, on_error="raise") as storage:
        meddler.instead = [answer]
        with pytest.raises(SessionStorageUnavailableError) as caught:
            await storage.store_session(offline_session(SHOP))
        assert code in str(caught.value)
        assert CODES[code].why in str(caught.value)
        assert "sekret" not in f"{caught.value} {caught.value.__cause__!r}"
        assert await storage.store_session(offline_session(SHOP)) is True
    async with RedisSessionStorage(url, session_key_prefix=prefix) as storage:
        meddler.instead = [answer]
        assert await storage.store_session(offline_session(SHOP)) is False
    assert code in caplog.text
    assert "sekret" not in caplog.text


@pytest.mark.parametrize(
    ("answer", "verdict", "words"),
    [
        ("ERR max number of clients reached", Verdict.CONFLICT, "maxclients"),
        ("ERR Script killed by user with SCRIPT KILL...", Verdict.CONFLICT, "killed"),
        ("NOSCRIPT No matching script. Please use EVAL.", Verdict.LOST, "script"),
        ("MOVED 3999 127.0.0.1:6381", Verdict.UNAVAILABLE, "redis+cluster://"),
        ("ASK 3999 127.0.0.1:6381", Verdict.UNAVAILABLE, "redis+cluster://"),
        ("CROSSSLOT Keys in request don't hash", Verdict.UNAVAILABLE, "redis+cluster://"),
        ("ERR This instance has cluster support disabled", Verdict.UNAVAILABLE, "redis://"),
        ("ERR invalid password", Verdict.DENIED, "password"),
        ("ERR AUTH <password> called without any password configured", Verdict.DENIED, "password"),
        ("upstream failure", Verdict.LOST, "proxy"),
        ("ERR Connection refused", Verdict.LOST, "proxy"),
        ("ERR unknown command `EVALSHA`, with args beginning with: `sekret`, ",
         Verdict.UNAVAILABLE, "unknown command EVALSHA"),
        ("ERR unknown command 'sekret'", Verdict.UNAVAILABLE, "unknown command"),
        ("ERR unknown command 'MGET'", Verdict.UNAVAILABLE, "unknown command MGET"),
        ("ERR unknown command 'EVAL', with args beginning with: 'a' 'x -READONLY sekret'",
         Verdict.UNAVAILABLE, "EVAL"),
        ("ERR Unknown Redis command called from script script: 1", Verdict.UNAVAILABLE, "MSET"),
        ("NOPERM User u has no permissions to run the 'evalsha' command", Verdict.DENIED,
         "EVALSHA"),
        ("NOPERM this user has no permissions to access one of the keys used as arguments",
         Verdict.DENIED, "key"),
        ("ERR ACL failure in script: User u has no permissions to run the 'mset' command",
         Verdict.DENIED, "MSET"),
        ("ERR DB index is out of range", Verdict.UNAVAILABLE, "DB index"),
        ("ERR max daily request limit exceeded. Limit: 10000", Verdict.UNAVAILABLE, "limit"),
        ("SOMETHING new 'sekret'", Verdict.UNAVAILABLE, "SOMETHING new"),
    ],
)  # fmt: skip
def test_every_answer_has_a_verdict_and_words_without_values(answer, verdict, words):
    error = Connection()._parser.parse_error(answer)
    for _ in range(2):  # the same before and after its text is scrubbed
        assert verdict_on(error) is verdict
        assert words in wording_of(error)
        assert "sekret" not in wording_of(error)
        scrub(error)
    assert "sekret" not in f"{error} {error!r}"


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (errors.ConnectionError("Connection closed by server."), Verdict.LOST),
        (errors.ConnectionError("Too many connections"), Verdict.CONFLICT),
        (errors.MaxConnectionsError("Too many connections"), Verdict.CONFLICT),
        (errors.ConnectionError("Error 111 connecting. Connection refused."), Verdict.LOST),
        (errors.TimeoutError("Timeout reading from host"), Verdict.LOST),
        (errors.AuthenticationError("Authentication required."), Verdict.DENIED),
        (errors.RedisClusterException("no node is to be had"), Verdict.LOST),
        (errors.SlotNotCoveredError("slot"), Verdict.LOST),
        (errors.InvalidResponse("Protocol Error"), Verdict.LOST),
        (errors.DataError("Invalid input"), Verdict.UNAVAILABLE),
        (ConnectionResetError("reset"), Verdict.LOST),
    ],
)
def test_every_error_of_the_driver_has_a_verdict(error, verdict):
    assert verdict_on(error) is verdict
    scrub(error)
    assert verdict_on(error) is verdict


@pytest.fixture(scope="module")
def own_server(tmp_path_factory):
    """Return the URL of a server on which the record of migrations stands."""
    with servers.local(tmp_path_factory.mktemp("redis")) as url:
        with servers.connect(url) as server:
            server.set("shopify_sessions_migrations", '{"migrateToVersion1_0_1":true}')
        yield url


@pytest.mark.parametrize(
    ("rights", "words"),
    [("-evalsha", "EVALSHA"), ("-mget", "MGET"), ("-mset", "MSET"), ("-set", "SET"),
     ("resetkeys ~shopify_sessions_migrations", "access to a key")],
)  # fmt: skip
@pytest.mark.asyncio
async def test_the_right_that_is_missing_is_named(own_server, rights, words):
    with servers.connect(own_server) as server:
        server.execute_command(
            "ACL", "SETUSER", "app", "reset", "on", ">password", "~*", "+@all", *rights.split()
        )
    url = f"redis://app:password@{own_server.partition('@')[2]}"
    async with RedisSessionStorage(url, on_error="raise") as storage:
        with pytest.raises(SessionStorageUnavailableError, match=f"NOPERM.*{words}") as caught:
            await storage.store_session(online_session(SHOP, access_token="shpat_secret"))
        assert "shpat" not in f"{caught.value} {caught.value.__cause__!r}"


@pytest.mark.asyncio
async def test_the_rights_that_the_readme_names_are_enough(own_server):
    words = README.read_text().partition("A Redis user needs rights")[2].partition(";")[0]
    rights = [f"+{command}" for command in re.findall(r"`([A-Z]+)`", words)]
    with servers.connect(own_server) as server:
        server.execute_command(
            "ACL", "SETUSER", "limited", "reset", "on", ">password",
            "~shopify_sessions_*", "~leases:shopify_sessions_:*", *rights,
        )  # fmt: skip
    url = f"redis://limited:password@{own_server.partition('@')[2]}"
    shop = "limited.myshopify.com"
    one, other = (online_session(shop, user, expires=LONG_AGO) for user in (1, 2))
    options = {"on_error": "raise", "expire_dead": timedelta(days=1)}
    async with RedisSessionStorage(url, **options) as storage:
        await storage.store_session(one)
        assert await storage.compare_and_store(other, None) is True
        assert await storage.compare_and_delete(other) is True
        assert await storage.acquire_lease("name", "holder", timedelta(minutes=1)) is True
        await storage.release_lease("name", "holder")
        assert one.equals(await storage.load_session(one.id))
        assert len(await storage.find_sessions_by_shop(shop)) == 1
        with servers.connect(own_server) as server:
            server.delete(f"shopify_sessions_{one.id}")
        assert (await storage.purge_expired()).deleted == 0
        with servers.connect(own_server) as server:
            assert server.get(f"shopify_sessions_{shop}") == b"[]"
        assert await storage.delete_sessions([one.id, other.id]) is True


@pytest.mark.parametrize("command", ["EVALSHA", "MGET", "MSET"])
@pytest.mark.asyncio
async def test_the_command_that_is_missing_is_named(command, tmp_path):
    with servers.local(tmp_path, "--rename-command", command, "") as url:
        with servers.connect(url) as server:
            server.set("shopify_sessions_migrations", '{"migrateToVersion1_0_1":true}')
        async with RedisSessionStorage(url, on_error="raise") as storage:
            with pytest.raises(SessionStorageUnavailableError, match=command) as caught:
                await storage.store_session(online_session(SHOP, access_token="shpat_secret"))
            assert "shpat" not in f"{caught.value} {caught.value.__cause__!r}"


@pytest.mark.asyncio
async def test_a_demoted_master_is_left_by_a_client_that_was_passed_in(redis_url, prefix, meddler):
    async with Redis.from_url(meddler.url(redis_url)) as client:
        storage = RedisSessionStorage(client, session_key_prefix=prefix, on_error="raise")
        await storage.store_session(offline_session(SHOP))
        before = meddler.connections
        meddler.instead = ["READONLY You can't write against a read only replica."]
        assert await storage.store_session(offline_session(SHOP)) is True
        assert meddler.connections > before
        await storage.disconnect()
        assert await client.ping()
