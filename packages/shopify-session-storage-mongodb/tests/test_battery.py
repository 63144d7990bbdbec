"""MongoDBSessionStorage keeps every promise of the contract, on each kind of client."""

from datetime import timedelta

import pytest
import pytest_asyncio
from bson.raw_bson import RawBSONDocument
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from servers.breaking import breakable_server
from servers.discovery import free_port
from servers.handful import Handful
from shopify_session_storage.testing import CASES, SessionStorageBattery
from shopify_session_storage_mongodb import MongoDBSessionStorage

from .conftest import LEAVES_SOCKETS

pytestmark = LEAVES_SOCKETS

NOWHERE = "mongodb://127.0.0.1:{}/sessions?serverSelectionTimeoutMS=50"


class TestMongoDB(SessionStorageBattery):
    @pytest.fixture
    def storage_factory(self, mongodb_url, collection, raw):
        return lambda: MongoDBSessionStorage(
            mongodb_url,
            session_collection_name=collection,
            timeout=timedelta(seconds=60),  # a busy machine's
        )

    @pytest_asyncio.fixture
    async def storage(self, storage_factory):
        async with storage_factory() as storage:
            yield storage

    @pytest.fixture
    def failing_storage_factory(self):
        url = NOWHERE.format(free_port())
        return lambda on_error: MongoDBSessionStorage(url, on_error=on_error)

    @pytest_asyncio.fixture
    async def breakable(self, mongodb_url, collection, raw):
        def make(url, on_error):
            # The driver looks for a server for as long as a call may take.
            return MongoDBSessionStorage(
                url,
                session_collection_name=collection,
                on_error=on_error,
                timeout=timedelta(seconds=1),
            )

        async with breakable_server(mongodb_url, make) as server:
            yield server


@pytest.mark.parametrize("mongodb_url", ["ferretdb"], indirect=True)
class TestFerretDB(TestMongoDB):
    lacks = frozenset({"breakable"})  # TestMongoDB takes the server away

    @classmethod
    def pytest_generate_tests(cls, metafunc):
        # A shop of 10,000 sessions: FerretDB reads all of them each time.
        if "case" in metafunc.fixturenames:
            cases = [one for one in CASES if cls.lacks.isdisjoint(one.needs)]
            small = [one for one in cases if one.name != "find_has_no_cap"]
            metafunc.parametrize("case", [pytest.param(one, id=one.name) for one in small])


class TestMotorClientOfTheUser(Handful, TestMongoDB):
    # Without a server, a client of the user's does as one of our own, which is Motor's, too.
    lacks = frozenset({"another_loop", "failing", "breakable"})

    @pytest_asyncio.fixture
    async def storage(self, mongodb_url, collection, raw):
        client = AsyncIOMotorClient(
            mongodb_url, readPreference="secondaryPreferred", readConcernLevel="majority", w=0
        )
        yield MongoDBSessionStorage(client, session_collection_name=collection)
        assert await client.admin.command("ping")  # is left open
        client.close()


class TestPyMongoClientOfTheUser(TestMongoDB):
    lacks = frozenset({"another_loop", "breakable"})

    @pytest_asyncio.fixture
    async def storage(self, mongodb_url, collection, raw):
        async with AsyncMongoClient(mongodb_url, document_class=RawBSONDocument, w=0) as client:
            yield MongoDBSessionStorage(client, "sessions", session_collection_name=collection)
            assert await client.admin.command("ping")

    @pytest_asyncio.fixture
    async def failing_storage_factory(self):
        async with AsyncMongoClient(NOWHERE.format(free_port())) as client:
            yield lambda on_error: MongoDBSessionStorage(client, on_error=on_error)
