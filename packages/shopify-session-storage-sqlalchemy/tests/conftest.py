"""Engines for every driver, on servers of the tests."""

from contextlib import asynccontextmanager
from urllib.parse import unquote
from uuid import uuid4

import pytest
import pytest_asyncio
from sqlalchemy import MetaData, make_url
from sqlalchemy.ext.asyncio import create_async_engine

SHOP = "alpha.myshopify.com"
DRIVERS = {
    "asyncpg": ("postgresql+asyncpg", "postgresql_url"),
    "psycopg": ("postgresql+psycopg", "postgresql_url"),
    "aiomysql": ("mysql+aiomysql", "mysql_url"),
    "asyncmy": ("mariadb+asyncmy", "mysql_url"),
    "aiosqlite": ("sqlite+aiosqlite", None),
}


def engine_url(request, driver, tmp_path):
    """Return the URL of a database for a driver."""
    name, fixture = DRIVERS[driver]
    if fixture is None:
        return make_url(f"{name}:///{tmp_path / 'sessions.db'}")
    return server_url(request.getfixturevalue(fixture), name)


def server_url(url, drivername):
    """Return the URL of a server of the tests for a driver."""
    parts = make_url(url)
    # SQLAlchemy 2.0 leaves the name of a database as it is spelled in a URL.
    return parts.set(drivername=drivername, database=unquote(parts.database))


@pytest.fixture(params=DRIVERS)
def url(request, tmp_path):
    """Return the URL of a database, for each driver in turn."""
    return engine_url(request, request.param, tmp_path)


@pytest_asyncio.fixture
async def engine(url):
    """Return an engine of each driver in turn."""
    async with engine_on(url) as engine:
        yield engine


@asynccontextmanager
async def engine_on(url, **options):
    engine = create_async_engine(url, **options)
    try:
        yield engine
    finally:
        await engine.dispose()


def table_name():
    """Return the name of a table that no other test uses."""
    return f"sessions_{uuid4().hex[:12]}"


async def drop(engine, *tables):
    """Drop tables, with those of their leases."""
    metadata = MetaData()
    for table in tables:
        table.to_metadata(metadata)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.drop_all)
