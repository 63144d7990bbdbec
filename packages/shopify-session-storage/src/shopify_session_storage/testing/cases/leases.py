"""Leases have one holder."""

from datetime import timedelta

from shopify_session_storage.testing.assertions import same, together, until
from shopify_session_storage.testing.case import case
from shopify_session_storage.testing.sessions import offline_session, unique
from shopify_session_storage.testing.subject import Subject


@case()
async def lease_has_one_holder(subject: Subject) -> None:
    """A lease has one holder, who can renew and release it; names are compared exactly."""
    storage = subject.storage
    name, minute = unique("Lease é"), timedelta(minutes=1)
    same(await storage.acquire_lease(name, "a", minute), True, "a free lease")
    for other in ("b", "A", "a ", "á"):
        same(await storage.acquire_lease(name, other, minute), False, f"a's lease, for {other!r}")
    same(await storage.acquire_lease(name, "a", minute), True, "its own lease")
    same(await storage.acquire_lease(name, "a", minute), True, "its own lease, once more")
    for other_name in (name.upper(), f"{name} ", name.replace("é", "e")):
        same(await storage.acquire_lease(other_name, "b", minute), True, "a lease of another name")
        await storage.release_lease(other_name, "b")
    await storage.release_lease(name, "b")
    same(await storage.acquire_lease(name, "b", minute), False, "a lease that b has not released")
    await storage.release_lease(name, "a")
    same(await storage.acquire_lease(name, "b", minute), True, "a released lease")
    await storage.release_lease(name, "b")
    await storage.release_lease(name, "b")


@case()
async def lease_ends_when_its_time_is_over(subject: Subject) -> None:
    """A lease whose holder is gone is free when its time is over, and renewing prolongs it."""
    storage = subject.storage
    name, minute = unique("lease"), timedelta(minutes=1)
    same(await storage.acquire_lease(name, "gone", timedelta(milliseconds=50)), True, "the lease")
    await until(lambda: storage.acquire_lease(name, "next", minute), "a lease that is over")
    same(await storage.acquire_lease(name, "gone", minute), False, "the lease of the next holder")
    same(
        await storage.acquire_lease(name, "next", timedelta(microseconds=1)),
        True,
        "a short renewal",
    )
    await until(lambda: storage.acquire_lease(name, "last", minute), "a shortened lease")
    await storage.release_lease(name, "last")


@case()
async def leases_are_no_sessions(subject: Subject) -> None:
    """A lease is not seen as a session, and leaves a session of the same name alone."""
    storage = subject.storage
    session = offline_session(subject.shop())
    for name in (session.id, session.shop):
        await storage.acquire_lease(name, "holder", timedelta(minutes=1))
    same(await storage.load_session(session.id), None, "a session with the name of a lease")
    await subject.finds(session.shop, [])
    await subject.stores(session)
    await subject.loads(session)
    await subject.finds(session.shop, [session])
    await storage.delete_session(session.id)
    for name in (session.id, session.shop):
        refused = await storage.acquire_lease(name, "other", timedelta(minutes=1))
        same(refused, False, "a lease, after the session of that name was deleted")
        await storage.release_lease(name, "holder")


@case("further", "leases")
async def two_storages_do_not_both_have_a_lease(subject: Subject) -> None:
    """Two storages that want one lease at the same moment: one of them gets it, 20 times."""
    storages = [subject.storage, await subject.further()]
    for _ in range(20):
        name = unique("lease")
        got = await together(
            storage.acquire_lease(name, str(number), timedelta(minutes=1))
            for number, storage in enumerate(storages)
        )
        same(sorted(got), [False, True], "the results of two storages")
        await storages[got.index(False)].release_lease(name, str(got.index(True)))
        got = [
            await storage.acquire_lease(name, "third", timedelta(minutes=1)) for storage in storages
        ]
        same(got, [True, True], "a lease that was released through another storage")
        await storages[0].release_lease(name, "third")
