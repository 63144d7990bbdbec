"""Connections that are lost, callers that give up, event loops that end, clients of the user."""

import asyncio
import gc
import tempfile
from pathlib import Path

import httpx
import pytest
from servers import kv
from servers.discovery import free_port
from shopify_session_storage import Session, SessionStorageUnavailableError, open_session_storage
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_kv_style import KVSessionStorage

from .conftest import Plain, namespace_of, through


@pytest.mark.asyncio
async def test_lost_connections_never_reach_the_caller(kv_url, shop, proxy):
    async with open_session_storage(through(proxy, kv_url), on_error="raise") as storage:
        many = [online_session(shop, user) for user in range(30)]
        await asyncio.gather(*map(storage.store_session, many))
        for turn in range(10):
            proxy.cut()
            loaded = await asyncio.gather(*(storage.load_session(one.id) for one in many))
            assert all(one.equals(other) for one, other in zip(many, loaded, strict=True))
            stores = asyncio.gather(*map(storage.store_session, many))
            for _ in range(turn):
                await asyncio.sleep(0)
            proxy.cut()
            assert all(await stores)
        assert len(await storage.find_sessions_by_shop(shop)) == 30


@pytest.mark.asyncio
async def test_storage_survives_a_restart_of_the_server(kv_url, shop):
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        server = kv.local(Path(name), port)
        url = await asyncio.to_thread(server.__enter__)
        async with open_session_storage(url, on_error="raise") as storage:
            many = [online_session(shop, user) for user in range(20)]
            await asyncio.gather(*map(storage.store_session, many))
            await asyncio.to_thread(server.__exit__, None, None, None)
            with pytest.raises(SessionStorageUnavailableError):
                await storage.load_session(many[0].id)
            server = kv.local(Path(name), port)
            await asyncio.to_thread(server.__enter__)
            loaded = await asyncio.gather(*(storage.load_session(one.id) for one in many))
            assert all(one.equals(other) for one, other in zip(many, loaded, strict=True))
            assert await storage.store_session(many[0]) is True
            await asyncio.to_thread(server.__exit__, None, None, None)


@pytest.mark.asyncio
async def test_cancelled_calls_never_mix_up_answers(storage, shop):
    many = [offline_session(f"{number}.{shop}") for number in range(10)]
    await asyncio.gather(*map(storage.store_session, many))
    for turn in range(40):
        calls = [storage.load_session(one.id) for one in many]
        calls += [storage.find_sessions_by_shop(one.shop) for one in many[:3]]
        tasks = [asyncio.ensure_future(call) for call in calls]
        await asyncio.sleep(turn % 20 / 5000)
        for task in tasks[:: 1 + turn % 3]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for one, result in zip(many, results[:10], strict=True):
            assert isinstance(result, asyncio.CancelledError) or one.equals(result)
        for one, result in zip(many, results[10:], strict=False):
            assert isinstance(result, asyncio.CancelledError) or one.equals(result[0])


class Sent(Plain):
    """A namespace whose puts arrive though their caller is cancelled, as what was sent does."""

    def on_its_way(self, late: bool) -> None:
        self.late = late
        self.sent = asyncio.Event()

    async def put(self, key, value):
        async def arrive(seconds: float) -> None:
            await asyncio.sleep(seconds)
            await self.namespace.put(key, value)

        self.sent.set()
        self.late, seconds = False, 0.2 if self.late else 0
        await asyncio.shield(arrive(seconds))


@pytest.mark.asyncio
async def test_cancelled_store_never_arrives_after_the_next(raw, shop):
    namespace = Sent(raw)
    storage = KVSessionStorage(namespace, on_error="raise")
    namespace.on_its_way(late=False)
    await storage.store_session(offline_session(shop))
    namespace.on_its_way(late=True)
    older, newer = offline_session(shop), offline_session(shop)
    task = asyncio.ensure_future(storage.store_session(older))
    await namespace.sent.wait()
    task.cancel()
    assert await storage.store_session(newer) is True
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.3)
    assert newer.equals(await storage.load_session(newer.id))


def test_storage_follows_to_a_new_event_loop_without_disconnect(kv_url, shop):
    session = offline_session(shop)

    async def load(storage: KVSessionStorage) -> Session | None:
        async with storage:
            return await storage.load_session(session.id)

    def twice() -> None:
        storage = open_session_storage(kv_url, on_error="raise")
        assert asyncio.run(storage.store_session(session)) is True
        assert asyncio.run(load(storage)).equals(session)
        gc.collect()

    with pytest.warns(ResourceWarning):  # of the connections of the loop that ended
        twice()


@pytest.mark.asyncio
async def test_client_of_the_user_is_used_and_left_open(kv_url, shop):
    sent = []

    async def record(request: httpx.Request) -> None:
        sent.append(request)

    async with httpx.AsyncClient(event_hooks={"request": [record]}) as client:
        async with (
            namespace_of(kv_url, client=client) as namespace,
            KVSessionStorage(namespace, on_error="raise") as storage,
        ):
            await storage.store_session(offline_session(shop))
        assert len(sent) == 4  # ready() reads one key
        assert not client.is_closed
        assert await storage.load_session("missing") is None
    assert "Authorization" not in client.headers
