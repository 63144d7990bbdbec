"""What Prisma's commands see of us: nothing that its schema does not have.

The commands work with drivers in JavaScript here. With these they crash on MySQL.
"""

from dataclasses import replace
from datetime import timedelta

import pytest
from interop.app_tables import app_table
from interop.prisma_cli import difference, push, schema
from shopify_session_storage import MigrationError
from shopify_session_storage.testing.sessions import offline_session, online_session, unique

pytestmark = pytest.mark.asyncio

KINDS = ("sqlite", "postgresql")
ON_EACH = pytest.mark.parametrize(
    "backend", [app_table(f"prisma {kind}", "prisma", kind) for kind in KINDS], ids=KINDS
)


async def use(storage):
    """Do all that a storage does with sessions."""
    shop = unique("shop")
    session, other = offline_session(shop), online_session(shop)
    newer = replace(session, access_token="newer")
    for one in (session, other):
        await storage.store_session(one)
    assert await storage.load_session(session.id) == session
    assert len(await storage.find_sessions_by_shop(shop)) == 2
    assert await storage.compare_and_store(newer, session)
    assert await storage.compare_and_delete(newer)
    assert await storage.delete_session(other.id)
    await storage.store_session(session)


@ON_EACH
async def test_prisma_finds_nothing_to_do(space):
    """After all that ours do, in a model that has the lines for leases, and in those without."""
    where = (space.javascript["provider"], space.javascript["url"])
    hour = timedelta(hours=1)
    async with space.python() as python:
        await use(python)
        assert await python.acquire_lease("alpha", "holder", hour)
    for table in ("TemplateSession", "shopify_app_sessions"):
        async with space.python(session_table_name=table) as python:
            await use(python)
            with pytest.raises(MigrationError, match="model SessionLease") as raised:
                await python.acquire_lease("alpha", "holder", hour)
        assert f'@@map("{table}_leases")' in str(raised.value)
    assert difference(*where, schema(where[0])) == ""
    assert "already in sync" in push(*where, schema(where[0]))
    async with space.python() as python:
        assert not await python.acquire_lease("alpha", "other", hour)


@ON_EACH
async def test_the_lines_of_the_error_are_enough(space, tmp_path):
    """Pushed, they give leases; and without them a push drops these, without a question."""
    where = (space.javascript["provider"], space.javascript["url"])
    hour = timedelta(hours=1)
    async with space.python(session_table_name="TemplateSession") as python:
        with pytest.raises(MigrationError) as raised:
            await python.acquire_lease("alpha", "holder", hour)
        lines = str(raised.value).partition("Prisma:\n")[2].partition("or run:")[0]
        models = tmp_path / "schema.prisma"
        models.write_text(schema(where[0]).read_text() + lines.replace("SessionLease", "Lease"))
        push(*where, models)
        assert await python.acquire_lease("alpha", "holder", hour)
        await python.release_lease("alpha", "holder")
    push(*where, schema(where[0]))
    async with space.python(session_table_name="TemplateSession") as python:
        with pytest.raises(MigrationError):
            await python.acquire_lease("alpha", "holder", hour)
