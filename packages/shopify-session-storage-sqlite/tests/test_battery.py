"""SQLiteSessionStorage keeps every promise of the contract."""

import aiosqlite
import pytest
import pytest_asyncio
from hypothesis import given, settings
from servers.handful import Handful
from shopify_session_storage import Session
from shopify_session_storage.testing import SessionStorageBattery
from shopify_session_storage.testing.strategies import sessions
from shopify_session_storage_sqlite import SQLiteSessionStorage


class TestFile(SessionStorageBattery):
    lacks = frozenset({"breakable"})  # nothing goes away that is no server

    @pytest.fixture
    def storage_factory(self, tmp_path):
        return lambda: SQLiteSessionStorage(tmp_path / "sessions.db")

    @pytest_asyncio.fixture
    async def storage(self, storage_factory):
        async with storage_factory() as storage:
            yield storage

    @pytest.fixture
    def failing_storage_factory(self, tmp_path):
        return lambda on_error: SQLiteSessionStorage(
            tmp_path / "no such directory" / "sessions.db", on_error=on_error
        )


class TestConnectionOfTheUser(TestFile):
    lacks = TestFile.lacks | {"processes"}  # SQLite's connections do not survive a fork

    @pytest_asyncio.fixture(params=["", None], ids=["implicit transactions", "autocommit"])
    async def storage(self, tmp_path, request):
        path = tmp_path / "sessions.db"
        async with aiosqlite.connect(path, isolation_level=request.param) as connection:
            yield SQLiteSessionStorage(connection)


class TestOddTableNames(Handful, TestFile):
    @pytest.fixture(params=["Select", "my-sessions", "möbel 😀", "a.b; --"])
    def storage_factory(self, tmp_path, request):
        return lambda: SQLiteSessionStorage(
            tmp_path / "sessions.db", session_table_name=request.param
        )


@given(sessions())
@settings(deadline=None)
@pytest.mark.asyncio
async def test_what_is_stored_comes_back(session: Session):
    async with SQLiteSessionStorage(":memory:", on_error="raise") as storage:
        assert await storage.store_session(session)
        assert session.equals(await storage.load_session(session.id))
        found = await storage.find_sessions_by_shop(session.shop)
        assert [session.id] == [one.id for one in found]
