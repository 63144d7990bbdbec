"""Deleting: one, some, none, and many."""

from collections.abc import Iterable

from shopify_session_storage.testing.assertions import same, together
from shopify_session_storage.testing.case import case
from shopify_session_storage.testing.sessions import offline_session, online_session, unique
from shopify_session_storage.testing.subject import Subject


@case()
async def delete_removes_the_session(subject: Subject) -> None:
    """A deleted session is neither loaded nor found, and the others of its shop stay."""
    shop = subject.shop()
    gone, stays = offline_session(shop), online_session(shop)
    await subject.stores(gone, stays)
    same(await subject.storage.delete_session(gone.id), True, "delete_session")
    same(await subject.storage.load_session(gone.id), None, "a deleted session")
    await subject.loads(stays)
    await subject.finds(shop, [stays])


@case()
async def deleting_what_is_missing_is_true(subject: Subject) -> None:
    """Deleting what does not exist is True, also among ids that do."""
    session = offline_session(subject.shop())
    await subject.stores(session)
    missing = unique("missing")
    same(await subject.storage.delete_session(missing), True, "delete_session of a missing id")
    deleted = await subject.storage.delete_sessions([missing, session.id, unique("missing")])
    same(deleted, True, "delete_sessions with missing ids")
    same(await subject.storage.load_session(session.id), None, "a deleted session")


@case()
async def deleting_nothing_is_true(subject: Subject) -> None:
    """delete_sessions of no ids is True and deletes nothing."""
    session = offline_session(subject.shop())
    await subject.stores(session)
    nothings: tuple[Iterable[str], ...] = ([], (), set(), iter(()))
    for nothing in nothings:
        same(await subject.storage.delete_sessions(nothing), True, "delete_sessions of nothing")
    await subject.loads(session)


@case()
async def delete_takes_any_iterable(subject: Subject) -> None:
    """delete_sessions takes any iterable of ids, with duplicates."""
    shop = subject.shop()
    sessions = [online_session(shop, user) for user in range(5)]
    await subject.stores(*sessions)
    ids = [session.id for session in sessions]
    same(await subject.storage.delete_sessions(id for id in ids[:2] * 3), True, "a generator")
    await subject.finds(shop, sessions[2:])
    same(await subject.storage.delete_sessions(set(ids[2:4])), True, "a set")
    await subject.finds(shop, sessions[4:])


@case()
async def delete_takes_ten_thousand_ids(subject: Subject) -> None:
    """delete_sessions of 10,000 ids works."""
    shop = subject.shop()
    gone = [online_session(shop, user) for user in range(50)]
    stays = offline_session(shop)
    await together(subject.storage.store_session(session) for session in [*gone, stays])
    missing = [f"{shop}_missing_{number}" for number in range(9950)]
    ids = [*missing[:5000], *(session.id for session in gone), *missing[5000:]]
    same(await subject.storage.delete_sessions(ids), True, "delete_sessions of 10,000 ids")
    await subject.finds(shop, [stays])
