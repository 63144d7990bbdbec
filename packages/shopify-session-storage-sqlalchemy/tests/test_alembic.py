"""Alembic sees our tables as they are, whoever made them."""

import pytest
from shopify_session_storage_sqlalchemy import (
    SQLAlchemySessionStorage,
)

from .alembic_project import Alembic
from .conftest import drop
from .tables import declared, works

# aiosqlite's thread of a connection whose event loop has ended says so on its way out.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


@pytest.mark.asyncio
async def test_alembic_creates_the_tables_and_finds_nothing_to_do_then(engine, tmp_path):
    metadata, table, leases = declared()
    project = Alembic(tmp_path / "alembic", metadata)
    async with engine.begin() as connection:
        await connection.run_sync(project.migrate)
    async with engine.begin() as connection:
        await connection.run_sync(project.check)
    async with SQLAlchemySessionStorage(engine, table, leases=leases, on_error="raise") as storage:
        await works(storage)
    await drop(engine, table, leases, project.version)


@pytest.mark.asyncio
async def test_alembic_finds_nothing_to_do_after_create(engine, tmp_path):
    metadata, table, leases = declared()
    project = Alembic(tmp_path / "alembic", metadata)
    async with SQLAlchemySessionStorage(engine, table, create=True, on_error="raise") as storage:
        await works(storage)
    async with engine.begin() as connection:
        await connection.run_sync(project.check)
    await drop(engine, table, leases, project.version)
