"""SQLAlchemySessionStorage keeps every promise in the tables of Prisma and Drizzle, too.

What such a table cannot hold is declared, and compared with what happens.
"""

import sqlite3
from contextlib import closing

import asyncpg
import pytest
import pytest_asyncio
from servers.discovery import free_port
from servers.foreign_tables import create_table
from shopify_session_storage.testing import SessionStorageBattery
from shopify_session_storage.testing.cases import CASES
from shopify_session_storage.testing.differences import EMPTY_TOKEN_IS_NONE, unknown_is_false
from shopify_session_storage_sqlalchemy import SQLAlchemySessionStorage, leases_table
from sqlalchemy import MetaData, Table, make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.schema import CreateTable

from .conftest import server_url, table_name

# aiosqlite's thread of a connection whose event loop has ended says so on its way out.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


class LayoutBattery(SessionStorageBattery):
    """Of connections and event loops the table makes no difference."""

    lacks = frozenset({"another_loop", "breakable"})
    layout = "prisma"
    variant = "V3"
    layout_allows = (EMPTY_TOKEN_IS_NONE,)
    alone = False

    @classmethod
    def pytest_generate_tests(cls, metafunc):
        """What several storages do together is seen in half of the classes, or in all if asked."""
        if "case" in metafunc.fixturenames:
            whole = not cls.alone or metafunc.config.getoption("--whole-battery")
            cases = [case for case in CASES if cls.lacks.isdisjoint(case.needs)]
            cases = [case for case in cases if whole or not case.needs]
            metafunc.parametrize("case", cases, ids=lambda case: case.name)

    @pytest.fixture
    def table(self):
        return Table(table_name(), MetaData())

    @pytest_asyncio.fixture
    async def engine(self, url):
        engine = create_async_engine(url)
        yield engine
        await engine.dispose()

    @pytest_asyncio.fixture
    async def storage_factory(self, url, engine, table):
        leases = leases_table(MetaData(), f"{table.name}_leases", layout=self.layout)
        create = create_table(self.database, self.layout, self.variant, name=table.name)
        await self.run(url, f"{create}; {CreateTable(leases).compile(dialect=engine.dialect)}")
        yield lambda: SQLAlchemySessionStorage(engine, table, layout=self.layout)
        await self.run(url, f"DROP TABLE {table.name}; DROP TABLE {leases.name}")

    @pytest_asyncio.fixture
    async def storage(self, storage_factory):
        async with storage_factory() as storage:
            yield storage


class OnSQLite(LayoutBattery):
    database = "sqlite"

    @pytest.fixture
    def url(self, tmp_path):
        return make_url(f"sqlite+aiosqlite:///{tmp_path / 'sessions.db'}")

    async def run(self, url, sql):
        with closing(sqlite3.connect(url.database)) as connection:
            connection.executescript(sql)

    @pytest.fixture
    def failing_storage_factory(self, tmp_path):
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/no such directory/file.db")
        return lambda on_error: SQLAlchemySessionStorage(
            engine, layout=self.layout, on_error=on_error
        )


class OnPostgreSQL(LayoutBattery):
    database = "postgresql"

    @pytest.fixture
    def url(self, postgresql_url):
        return server_url(postgresql_url, "postgresql+asyncpg")

    async def run(self, url, sql):
        address = url.set(drivername="postgresql").render_as_string(hide_password=False)
        connection = await asyncpg.connect(address)
        await connection.execute(sql)
        await connection.close()

    @pytest.fixture
    def failing_storage_factory(self, url):
        engine = create_async_engine(url.set(host="127.0.0.1", port=free_port()))
        return lambda on_error: SQLAlchemySessionStorage(
            engine, layout=self.layout, on_error=on_error
        )


class TestPrismaOnSQLite(OnSQLite):
    alone = True


class TestDrizzleOnSQLite(OnSQLite):
    layout = "drizzle"


class TestTemplateOfPrismaOnPostgreSQL(OnPostgreSQL):
    variant = "V3t"
    layout_allows = (EMPTY_TOKEN_IS_NONE, unknown_is_false("account_owner"))


class TestDrizzleOnPostgreSQL(OnPostgreSQL):
    alone = True
    layout = "drizzle"
