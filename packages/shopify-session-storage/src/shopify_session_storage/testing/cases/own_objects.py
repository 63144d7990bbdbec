"""What a caller gets is the caller's own."""

from shopify_session_storage.session import Session
from shopify_session_storage.testing.assertions import equal, same, together
from shopify_session_storage.testing.case import case
from shopify_session_storage.testing.sessions import online_session
from shopify_session_storage.testing.subject import Subject


@case()
async def returned_sessions_are_the_callers_own(subject: Subject) -> None:
    """Changing a session that was returned, or that was stored, changes nothing stored."""
    session = online_session(subject.shop())
    kept = online_session(session.shop, access_token=session.access_token)
    await subject.stores(session)

    def spoil(session: Session | None) -> None:
        assert session is not None
        assert session.online_access_info is not None
        session.access_token = "spoilt"
        session.online_access_info.associated_user.email = "spoilt"

    spoil(session)
    await subject.loads(kept)
    spoil(await subject.storage.load_session(kept.id))
    await subject.loads(kept)
    spoil((await subject.finds(kept.shop, [kept]))[0])
    await subject.loads(kept)


@case()
async def concurrent_loads_share_no_object(subject: Subject) -> None:
    """Loads and finds at the same time give each caller an object of its own."""
    session = online_session(subject.shop())
    await subject.stores(session)
    await subject.finds(session.shop, [session])
    loaded = await together(subject.storage.load_session(session.id) for _ in range(20))
    found = await together(subject.storage.find_sessions_by_shop(session.shop) for _ in range(20))
    sessions = [*loaded, *(one for many in found for one in many)]
    for one in sessions:
        equal(one, session, "one of many loads at once")
    infos = [one.online_access_info for one in sessions if one is not None]
    same(len({id(one) for one in sessions}), 40, "the number of different sessions")
    same(len({id(info) for info in infos}), 40, "the number of different users")
