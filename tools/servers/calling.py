"""The calls of a storage, one of each."""

from collections.abc import Awaitable, Sequence
from datetime import timedelta
from typing import Any

from shopify_session_storage import Session, SessionStorage
from shopify_session_storage.testing.sessions import online_session

from servers.proxy import Proxy

_SHOP = "alpha.myshopify.com"


async def round_trips(storage: SessionStorage, proxy: Proxy) -> list[int]:
    """Return how many round trips six calls take, each alone."""
    many = [online_session(_SHOP, user) for user in range(50)]
    counts = []
    for call in (
        lambda: storage.store_session(many[0]),
        lambda: storage.load_session(many[0].id),
        lambda: storage.load_session("missing"),
        lambda: storage.find_sessions_by_shop(_SHOP),
        lambda: storage.delete_session(many[0].id),
        lambda: storage.delete_sessions(session.id for session in many),
    ):
        proxy.reset()
        await call()
        counts.append(proxy.round_trips)
    return counts


def each_call(
    storage: SessionStorage, session: Session, others: Sequence[Session]
) -> list[Awaitable[Any]]:
    """Return all kinds of calls, to be awaited: those of *session*, and those of *others*."""
    return [
        storage.load_session(session.id),
        storage.find_sessions_by_shop(session.shop),
        storage.store_session(session),
        storage.delete_session(others[0].id),
        storage.delete_sessions([others[1].id, others[2].id]),
        storage.compare_and_store(others[3], None),
        storage.compare_and_delete(others[4]),
        storage.acquire_lease("name", "holder", timedelta(minutes=1)),
        storage.release_lease("other", "holder"),
    ]
