"""Connections that are lost, callers that give up, event loops that end, clients of the user."""

import asyncio
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import aioboto3
import pytest
import pytest_asyncio
from aiobotocore.config import AioConfig
from botocore.config import Config
from servers import dynamodb as servers
from servers.discovery import free_port
from servers.disturbing import bear_cancellations, bear_cuts, follow_to_a_new_loop
from servers.proxy import Proxy
from shopify_session_storage import SessionStorageUnavailableError
from shopify_session_storage.testing.sessions import offline_session, online_session

from .conftest import SHOP, client_options, same


@pytest_asyncio.fixture
async def proxy(dynamodb_url):
    parts = urlsplit(dynamodb_url)
    async with Proxy(parts.hostname, parts.port) as proxy:
        yield proxy


@pytest.mark.asyncio
async def test_lost_connections_never_reach_the_caller(make, proxy):
    async with make(f"http://127.0.0.1:{proxy.port}") as storage:
        await bear_cuts(storage, proxy.cut, times=2)


@pytest.mark.asyncio
async def test_storage_survives_a_restart_of_the_server(make):
    port = free_port()
    once = AioConfig(retries={"total_max_attempts": 1})
    with tempfile.TemporaryDirectory() as name:
        server = servers.serve(Path(name), port, "-dbPath", name)
        options = client_options(server.__enter__(), config=once)
        async with make(client_options=options) as storage:
            many = [online_session(SHOP, user) for user in range(50)]
            await asyncio.gather(*map(storage.store_session, many))
            await asyncio.to_thread(server.__exit__, None, None, None)
            with pytest.raises(SessionStorageUnavailableError, match="Could not connect"):
                await storage.load_session(many[0].id)
            assert await storage.is_ready() is False
            with servers.serve(Path(name), port, "-dbPath", name):
                assert same(many, await asyncio.gather(*(storage.load_session(o.id) for o in many)))
                assert await storage.store_session(many[0]) is True


@pytest.mark.asyncio
async def test_cancelled_calls_never_mix_up_answers(storage):
    await bear_cancellations(storage, times=60)


@pytest.mark.asyncio
async def test_cancelled_store_is_never_overtaken_by_the_next(make, between):
    """The server gets the older version late, as over a slow connection."""
    versions = [offline_session(SHOP) for _ in range(2)]

    async def spoil(operation, parameters, forward):
        if operation == "PutItem":
            under_way.set()
            if parameters["Item"]["accessToken"]["S"] == versions[0].access_token:
                await asyncio.sleep(0.3)
        return await forward(parameters)

    async with make(between.url) as storage:
        under_way = asyncio.Event()
        between.spoil = spoil
        older = asyncio.ensure_future(storage.store_session(versions[0]))
        await under_way.wait()
        older.cancel()
        await asyncio.sleep(0)
        assert await storage.store_session(versions[1]) is True
        assert older.cancelled()
        await asyncio.sleep(0.4)
        assert versions[1].equals(await storage.load_session(versions[1].id))


def test_storage_follows_to_a_new_event_loop_without_disconnect(make):
    follow_to_a_new_loop(make())


@pytest.mark.asyncio
async def test_session_of_the_user_serves_other_clients_afterwards(make, dynamodb_url):
    session = aioboto3.Session("tester", "sekret", region_name="eu-west-1")
    options = {"endpoint_url": dynamodb_url}
    async with session.client("dynamodb", **options) as client:
        async with make(session=session, client_options=options) as storage:
            assert await storage.store_session(offline_session(SHOP)) is True
        assert "TableNames" in await client.list_tables()
    async with make(session=session, client_options=options) as storage:
        assert len(await storage.find_sessions_by_shop(SHOP)) == 1


@pytest.mark.asyncio
async def test_configuration_of_the_user_is_added_to_ours(make, between):
    done = asyncio.Event()

    async def spoil(operation, parameters, forward):
        await done.wait()
        return await forward(parameters)

    once = {"total_max_attempts": 1}
    # Long enough for a busy machine to open the storage.
    for config in (Config(read_timeout=1, retries=once), AioConfig(read_timeout=1)):
        options = client_options(between.url, config=config)
        between.spoil = None
        async with make(client_options=options) as storage:
            between.operations.clear()
            between.spoil = spoil
            with pytest.raises(SessionStorageUnavailableError, match="ReadTimeoutError"):
                await storage.load_session("id")
            assert len(between.operations) == (1 if type(config) is Config else 3)
    done.set()
