"""Many sessions in one statement on MySQL 8, whose upsert no driver repeats by itself."""

import asyncio

import pytest
from servers import mysql
from shopify_session_storage.testing.sessions import online_session
from shopify_session_storage_sqlalchemy import SQLAlchemySessionStorage, sessions_table
from sqlalchemy import Column, Integer, MetaData, event, func, select

from .conftest import SHOP, engine_on, table_name
from .tables import Reversed


@pytest.fixture(scope="module")
def mysql_8(tmp_path_factory):
    """Return the address of an engine that answers as MySQL 8 does."""
    with mysql.another(tmp_path_factory.mktemp("another")) as url:
        yield url


def plain(metadata):
    return sessions_table(metadata, table_name())


def with_a_type_of_its_own(metadata):
    table = plain(metadata)
    table.c.email.type = Reversed()
    return table


def with_a_default_made_in_python(metadata):
    table = plain(metadata)
    table.append_column(Column("visits", Integer, nullable=False, default=lambda: 7))
    return table


@pytest.mark.asyncio
@pytest.mark.parametrize("driver", ["mysql+aiomysql", "mysql+asyncmy"])
@pytest.mark.parametrize("declare", [plain, with_a_type_of_its_own, with_a_default_made_in_python])
async def test_many_sessions_are_stored_by_few_statements(mysql_8, driver, declare):
    table = declare(MetaData())
    sessions = [online_session(SHOP, user_id=1 + number) for number in range(60)]
    async with engine_on(mysql_8.replace("mysql", driver, 1)) as engine:
        storage = SQLAlchemySessionStorage(engine, table, create=True, on_error="raise")
        await storage.ready()
        assert storage._statements.has_alias
        inserts = []

        @event.listens_for(engine.sync_engine, "before_cursor_execute")
        def count(connection, cursor, statement, parameters, context, executemany):
            if statement.startswith("INSERT"):
                inserts.append(statement)

        for _ in range(2):  # new ones, and then those that are there
            await asyncio.gather(*map(storage.store_session, sessions))
        found = await asyncio.gather(*(storage.load_session(one.id) for one in sessions))
        assert all(one.equals(other) for one, other in zip(sessions, found, strict=True))
        assert len(inserts) < 20
        async with engine.connect() as connection:
            assert await connection.scalar(select(func.count()).select_from(table)) == 60
            if "visits" in table.c:
                assert set(await connection.scalars(select(table.c.visits))) == {7}
