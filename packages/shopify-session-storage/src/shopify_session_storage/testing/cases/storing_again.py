"""Storing again replaces what was stored, as a whole."""

from shopify_session_storage.session import AssociatedUser, OnlineAccessInfo, Session
from shopify_session_storage.testing.case import case
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage.testing.subject import Subject


@case()
async def upsert_replaces_everything(subject: Subject) -> None:
    """Storing replaces the whole session: a field that is absent now is absent afterwards."""
    shop = subject.shop()
    offline, online = offline_session(shop), online_session(shop)
    await subject.stores(offline, online)
    bare_offline = Session(id=offline.id, shop=shop, state="", is_online=False)
    info = OnlineAccessInfo(AssociatedUser(id=3))
    bare_online = Session(
        id=online.id, shop=shop, state="", is_online=True, online_access_info=info
    )
    await subject.stores(bare_offline, bare_online)
    await subject.loads(bare_offline, bare_online)
    await subject.finds(shop, [bare_offline, bare_online])


@case()
async def upsert_can_change_the_kind(subject: Subject) -> None:
    """An online session can be replaced by an offline one, and the other way round."""
    shop = subject.shop()
    online = online_session(shop)
    offline = offline_session(shop, id=online.id)
    for session in (online, offline, online):
        await subject.stores(session)
        await subject.loads(session)


@case()
async def upsert_moves_to_another_shop(subject: Subject) -> None:
    """A session that is stored again for another shop is found there, and there only."""
    old, new = subject.shop("old"), subject.shop("new")
    stays = online_session(old, 1)
    before, after = offline_session(old), offline_session(new, id=f"offline_{old}")
    await subject.stores(stays, before, after)
    await subject.loads(after)
    await subject.finds(new, [after])
    await subject.finds(old, [stays])
    await subject.storage.delete_session(after.id)
    await subject.finds(new, [])


@case()
async def storing_again_makes_no_duplicate(subject: Subject) -> None:
    """A session that is stored several times is found once."""
    session = offline_session(subject.shop())
    await subject.stores(session, session, session)
    await subject.finds(session.shop, [session])
    await subject.storage.delete_session(session.id)
    await subject.finds(session.shop, [])
