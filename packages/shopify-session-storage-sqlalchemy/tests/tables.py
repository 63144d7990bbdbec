"""Tables of ours, and everything that is done with them."""

from datetime import UTC, datetime, timedelta

from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_sqlalchemy import (
    leases_table,
    sessions_table,
)
from sqlalchemy import MetaData, String
from sqlalchemy.types import TypeDecorator

from .conftest import SHOP, table_name

MINUTE = timedelta(minutes=1)


class Reversed(TypeDecorator):
    """A type of the user's."""

    impl = String(255)
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return value and value[::-1]

    def process_result_value(self, value, dialect):
        return value and value[::-1]


def declared(name=None):
    """Return metadata with both tables of ours."""
    metadata = MetaData()
    name = name or table_name()
    return metadata, sessions_table(metadata, name), leases_table(metadata, f"{name}_leases")


async def works(storage):
    """Use everything that has a statement of its own."""
    online = online_session(SHOP, 7)
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    offline = offline_session(SHOP, refresh_token="r", expires=soon, refresh_token_expires=soon)
    assert await storage.store_session(online)
    assert await storage.compare_and_store(offline, None) is True
    assert await storage.compare_and_store(offline, None) is False
    assert offline.equals(await storage.load_session(offline.id))
    assert online.equals(await storage.load_session(online.id))
    assert len(await storage.find_sessions_by_shop(SHOP)) == 2
    assert sum([len(page.sessions) async for page in storage.scan_sessions(batch=1)]) == 2
    assert await storage.acquire_lease("a", "me", MINUTE) is True
    assert await storage.acquire_lease("a", "you", MINUTE) is False
    await storage.release_lease("a", "me")
    assert await storage.compare_and_delete(offline) is True
    assert await storage.delete_session(online.id) is True
    assert await storage.find_sessions_by_shop(SHOP) == []
