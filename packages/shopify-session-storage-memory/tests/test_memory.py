"""MemorySessionStorage keeps every promise that needs no backend."""

import pytest
import pytest_asyncio
from hypothesis import given
from shopify_session_storage import Session, open_session_storage
from shopify_session_storage.testing import SessionStorageBattery
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage.testing.strategies import sessions
from shopify_session_storage_memory import MemorySessionStorage


class TestBattery(SessionStorageBattery):
    lacks = frozenset({"failing", "breakable", "processes", "conditional_writes", "leases"})

    @pytest_asyncio.fixture
    async def storage(self):
        async with MemorySessionStorage() as storage:
            yield storage

    @pytest.fixture
    def storage_factory(self, storage):
        return lambda: storage  # the memory of another object would be another backend


@given(sessions())
@pytest.mark.asyncio
async def test_what_is_stored_comes_back(session: Session):
    storage = MemorySessionStorage()
    assert await storage.store_session(session)
    assert session.equals(await storage.load_session(session.id))
    assert [session.id] == [one.id for one in await storage.find_sessions_by_shop(session.shop)]


@pytest.mark.asyncio
async def test_each_object_has_a_memory_of_its_own():
    first, second = MemorySessionStorage(), MemorySessionStorage()
    session = offline_session("a.myshopify.com")
    await first.store_session(session)
    assert await second.load_session(session.id) is None


@pytest.mark.asyncio
async def test_sessions_survive_disconnect():
    storage = open_session_storage("memory://")
    session = offline_session("a.myshopify.com")
    async with storage:
        await storage.store_session(session)
    assert session.equals(await storage.load_session(session.id))


def test_url_has_nothing_but_its_scheme():
    with pytest.raises(ValueError, match="nothing after"):
        open_session_storage("memory://somewhere")
    with pytest.raises(ValueError, match="'size', which is not known"):
        open_session_storage("memory://?size=1")
