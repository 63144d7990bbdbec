"""What failures of the server are called, without values."""

import asyncio
import logging
import tempfile
from pathlib import Path

import pytest
import redis as sync_redis
from redis.exceptions import ResponseError
from servers import redis as servers
from servers.discovery import USER
from shopify_session_storage import (
    SessionStorageUnavailableError,
)
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_redis import RedisSessionStorage

SHOP = "alpha.myshopify.com"


@pytest.mark.asyncio
async def test_wrong_password_is_told_without_showing_it(redis_url):
    parts = redis_url.partition("://")[2].rpartition("@")[2]
    for url in (f"redis://{USER}:sekret@{parts}", f"redis+cluster://{USER}:sekret@{parts}"):
        with pytest.raises(SessionStorageUnavailableError) as caught:
            await RedisSessionStorage(url).ready()
        assert "sekret" not in f"{caught.value} {caught.value.__cause__!r}"


@pytest.mark.asyncio
async def test_single_client_on_a_cluster_is_told_so(redis_cluster_url):
    plain = redis_cluster_url.replace("redis+cluster", "redis")
    storage = RedisSessionStorage(plain, session_key_prefix="one", on_error="raise")
    results = await asyncio.gather(
        *(storage.load_session(f"{number}") for number in range(20)), return_exceptions=True
    )
    assert any(
        isinstance(result, SessionStorageUnavailableError) and "redis+cluster://" in str(result)
        for result in results
    )
    await storage.disconnect()


@pytest.mark.asyncio
async def test_server_that_repeats_arguments_shows_no_token(prefix, caplog):
    # A command that does not exist is answered with the arguments that it was given.
    with (
        tempfile.TemporaryDirectory() as name,
        servers.local(
            Path(name), "--rename-command", "EVALSHA", "", "--rename-command", "EVAL", ""
        ) as url,
    ):
        with servers.connect(url) as server:
            server.set("shopify_sessions_migrations", '{"migrateToVersion1_0_1":true}')
            with pytest.raises(sync_redis.ResponseError, match="shpat_secret"):
                server.execute_command("EVALSHA", "a", "b", "shpat_secret")
        session = offline_session("s", id="i", access_token="shpat_secret")
        async with RedisSessionStorage(url, on_error="raise") as storage:
            with pytest.raises(SessionStorageUnavailableError) as caught:
                await storage.store_session(session)
        cause = caught.value.__cause__
        assert isinstance(cause, ResponseError)
        shown = f"{caught.value} {cause} {cause.args} {vars(cause)} {cause.__context__}"
        assert "unknown command" in shown
        assert "beginning" not in shown
        with caplog.at_level(logging.DEBUG):
            async with RedisSessionStorage(url) as storage:
                assert await storage.store_session(session) is False
        assert "shpat" not in caplog.text


@pytest.mark.asyncio
async def test_full_server_refuses_a_store_as_a_whole(prefix):
    with tempfile.TemporaryDirectory() as name, servers.local(Path(name)) as url:
        async with RedisSessionStorage(url, on_error="raise") as storage:
            old = offline_session(SHOP)
            await storage.store_session(old)
            with servers.connect(url) as server:
                server.config_set("maxmemory", "1mb")
                with pytest.raises(SessionStorageUnavailableError, match="OutOfMemory"):
                    await storage.store_session(online_session(SHOP))
                assert [one.id for one in await storage.find_sessions_by_shop(SHOP)] == [old.id]
                assert await storage.delete_session(old.id) is True
                server.config_set("maxmemory", "0")
            assert await storage.store_session(online_session(SHOP)) is True
