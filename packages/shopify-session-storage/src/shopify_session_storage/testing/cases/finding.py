"""Finding all sessions of a shop."""

from shopify_session_storage.testing.assertions import same, together
from shopify_session_storage.testing.case import case
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage.testing.subject import Subject


@case()
async def unknown_shop_has_no_sessions(subject: Subject) -> None:
    """A shop without sessions gives an empty list."""
    await subject.finds(subject.shop("unknown"), [])


@case()
async def find_returns_all_of_the_shop(subject: Subject) -> None:
    """find_sessions_by_shop returns all sessions of the shop, offline and online, and no other."""
    shop, other = subject.shop(), subject.shop("other")
    sessions = [offline_session(shop), *(online_session(shop, user) for user in range(60))]
    await together(subject.storage.store_session(session) for session in sessions)
    await subject.stores(offline_session(other))
    await subject.finds(shop, sessions)


@case()
async def find_has_no_cap(subject: Subject) -> None:
    """find_sessions_by_shop has no cap, whatever the number and size of the sessions (2 MB)."""
    shop = subject.shop()
    sessions = [online_session(shop, user, scope="s" * 5000) for user in range(400)]
    await together(subject.storage.store_session(session) for session in sessions)
    await subject.finds(shop, sessions)
    ids = [session.id for session in sessions]
    same(await subject.storage.delete_sessions(ids), True, "delete_sessions of 400 sessions")
    await subject.finds(shop, [])
