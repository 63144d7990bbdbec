"""A database of its own for each test that asks for one."""

from uuid import uuid4

import asyncpg
import pytest_asyncio
from servers.postgresql import with_database


@pytest_asyncio.fixture
async def database_url(postgresql_url):
    """Return the URL of a database that is empty."""
    name = f"test {uuid4().hex} &#$"
    server = await asyncpg.connect(postgresql_url)
    await server.execute(f'CREATE DATABASE "{name}"')
    yield with_database(postgresql_url, name)
    await server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await server.close()
