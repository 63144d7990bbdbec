"""SQLAlchemySessionStorage keeps every promise of the contract, with every driver."""

import asyncio

import pytest
import pytest_asyncio
from servers.breaking import breakable_server
from servers.discovery import free_port
from servers.disturbing import bear_cancellations
from shopify_session_storage import Session
from shopify_session_storage.testing import SessionStorageBattery
from shopify_session_storage.testing.cases import CASES
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage.testing.subject import Subject
from shopify_session_storage_sqlalchemy import SQLAlchemySessionStorage
from sqlalchemy import NullPool, make_url
from sqlalchemy.ext.asyncio import create_async_engine

from .conftest import server_url

pytestmark = [
    # aiosqlite's thread of a connection whose event loop has ended says so on its way out.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
    # SQLAlchemy 2.0 leaves what it has not finished connecting to the garbage collector.
    pytest.mark.filterwarnings(
        "ignore:.*Connection.__del__:pytest.PytestUnraisableExceptionWarning"
    ),
]


class OnAnEngine(SessionStorageBattery):
    """An engine with a pool, which belongs to one event loop."""

    drivername: str
    server: str
    lacks = frozenset({"another_loop"})

    @pytest.fixture
    def url(self, request):
        return server_url(request.getfixturevalue(self.server), self.drivername)

    @pytest_asyncio.fixture
    async def engine(self, url):
        engine = create_async_engine(url)
        yield engine
        await engine.dispose()

    @pytest.fixture
    def storage_factory(self, engine):
        return lambda: SQLAlchemySessionStorage(engine, create=True)

    @pytest_asyncio.fixture
    async def storage(self, storage_factory):
        async with storage_factory() as storage:
            yield storage

    @pytest.fixture
    def failing_storage_factory(self, url):
        engine = create_async_engine(url.set(host="127.0.0.1", port=free_port()))
        return lambda on_error: SQLAlchemySessionStorage(engine, on_error=on_error)

    @pytest_asyncio.fixture
    async def breakable(self, url):
        engines = []

        def make(through, on_error):
            engines.append(create_async_engine(through))
            return SQLAlchemySessionStorage(engines[-1], create=True, on_error=on_error)

        address = url.render_as_string(hide_password=False)
        async with breakable_server(address, make) as server:
            yield server
            for engine in engines:
                await engine.dispose()


class TestAsyncpg(OnAnEngine):
    drivername, server = "postgresql+asyncpg", "postgresql_url"


class TestPsycopg(OnAnEngine):
    drivername, server = "postgresql+psycopg", "postgresql_url"


class TestAiomysql(OnAnEngine):
    drivername, server = "mysql+aiomysql", "mysql_url"


class TestAsyncmy(OnAnEngine):
    drivername, server = "mariadb+asyncmy", "mysql_url"


class TestAiosqlite(OnAnEngine):
    lacks = OnAnEngine.lacks | {"breakable"}

    @pytest.fixture
    def url(self, tmp_path):
        return make_url(f"sqlite+aiosqlite:///{tmp_path / 'sessions.db'}")

    @pytest.fixture
    def failing_storage_factory(self, tmp_path):
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/no such directory/file.db")
        return lambda on_error: SQLAlchemySessionStorage(engine, on_error=on_error)

    @pytest.fixture
    def breakable(self):
        return None


ON_OTHER_LOOPS = [case for case in CASES if "another_loop" in case.needs]


@pytest.mark.parametrize("case", ON_OTHER_LOOPS, ids=lambda case: case.name)
@pytest.mark.asyncio
async def test_without_a_pool_it_works_on_any_event_loop_and_in_forked_processes(
    case, postgresql_url
):
    url = server_url(postgresql_url, "postgresql+asyncpg")
    engine = create_async_engine(url, poolclass=NullPool)
    storage = SQLAlchemySessionStorage(engine, create=True)
    await Subject(storage, owned=True).run(case)


@pytest.mark.asyncio
async def test_many_calls_on_a_database_in_memory_which_has_one_connection():
    engine = create_async_engine("sqlite+aiosqlite://")
    storages = [SQLAlchemySessionStorage(engine, create=True, on_error="raise") for _ in range(3)]
    sessions = [offline_session(f"{number}.example.com") for number in range(60)]
    for storage in storages:
        await storage.ready()
    reads = asyncio.ensure_future(bear_cancellations(storages[0], times=30))
    for number, session in enumerate(sessions):
        assert await storages[number % 3].store_session(session)
    await reads
    for storage in storages:
        assert all(
            map(Session.equals, sessions, [await storage.load_session(s.id) for s in sessions])
        )
        await storage.disconnect()
    await engine.dispose()
