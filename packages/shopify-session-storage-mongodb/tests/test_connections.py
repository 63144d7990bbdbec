"""Connections that are lost, callers that give up, event loops that end."""

import asyncio
import gc

import pytest
from servers import mongodb as servers
from servers.discovery import free_port
from servers.disturbing import bear_cancellations, bear_cuts, follow_to_a_new_loop, keep_the_order
from shopify_session_storage import SessionStorageUnavailableError
from shopify_session_storage.testing.sessions import online_session
from shopify_session_storage_mongodb import MongoDBSessionStorage

from .conftest import LEAVES_SOCKETS, SHOP, close, through, with_options

pytestmark = LEAVES_SOCKETS


@pytest.mark.asyncio
async def test_lost_connections_never_reach_the_caller(
    mongodb_url, collection, raw, proxy, client_class
):
    client = client_class(through(proxy, mongodb_url), directConnection=True)
    storage = MongoDBSessionStorage(client, session_collection_name=collection, on_error="raise")
    await bear_cuts(storage, proxy.cut, times=1)
    await close(client)


@pytest.mark.asyncio
async def test_storage_survives_a_restart_of_the_server(mongodb_url, tmp_path):
    port = free_port()
    server = servers.ferretdb(tmp_path, port=port)
    url = server.__enter__()
    async with MongoDBSessionStorage(
        with_options(url, "serverSelectionTimeoutMS=500"), on_error="raise"
    ) as storage:
        many = [online_session(SHOP, user) for user in range(20)]
        await asyncio.gather(*map(storage.store_session, many))
        await asyncio.to_thread(server.__exit__, None, None, None)
        with pytest.raises(SessionStorageUnavailableError, match="refused"):
            await storage.load_session(many[0].id)
        with servers.ferretdb(tmp_path, port=port):
            loaded = await asyncio.gather(*(storage.load_session(one.id) for one in many))
            assert all(one.equals(other) for one, other in zip(many, loaded, strict=True))
            assert await storage.store_session(many[0]) is True


# PyMongo leaves the socket of a connection that is cancelled as it is made to the collector.
leaves_sockets = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@leaves_sockets
@pytest.mark.asyncio
async def test_cancelled_calls_never_mix_up_answers(mongodb_url, collection, raw, client_class):
    client = client_class(mongodb_url)
    storage = MongoDBSessionStorage(client, session_collection_name=collection, on_error="raise")
    await bear_cancellations(storage, times=60)
    await close(client)
    gc.collect()


@pytest.mark.asyncio
async def test_cancelled_store_is_never_overtaken_by_the_next(
    mongodb_url, collection, raw, client_class
):
    client = client_class(mongodb_url)
    storage = MongoDBSessionStorage(client, session_collection_name=collection, on_error="raise")
    await keep_the_order(storage)
    await close(client)


def test_storage_follows_to_a_new_event_loop_without_disconnect(mongodb_url, collection, raw):
    follow_to_a_new_loop(
        MongoDBSessionStorage(mongodb_url, session_collection_name=collection, on_error="raise")
    )
