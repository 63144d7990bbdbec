"""Tables with names that need care, on any SQL server."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from shopify_session_storage import SqlSessionStorage
from shopify_session_storage.testing.sessions import offline_session

_NAMES: Final = ("select", "a b", "100%s", "{shop}", "{0}", "$1", "a?b:c", "a\\b", "möbel")


async def take_any_name(make: Callable[[str], SqlSessionStorage]) -> None:
    """Compare, lease, load and look for migrations in tables of all these names."""
    for name in _NAMES:
        async with make(name) as storage:
            session = offline_session("alpha.example")
            assert await storage.compare_and_store(session, None) is True
            assert await storage.acquire_lease("name", "holder", timedelta(seconds=9)) is True
            assert session.equals(await storage.load_session(session.id))
            assert await storage.migration_sql() == ""
