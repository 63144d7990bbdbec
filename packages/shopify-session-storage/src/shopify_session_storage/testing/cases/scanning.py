"""Walking through all sessions. The backend may have many others, of other tests and users."""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from itertools import chain, islice, repeat
from typing import Any

from shopify_session_storage.errors import SessionStorageError
from shopify_session_storage.pages import SessionPage
from shopify_session_storage.testing.assertions import raises, same, together, true
from shopify_session_storage.testing.case import case
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage.testing.subject import Subject


@case("scanning")
async def scan_sees_every_session(subject: Subject) -> None:
    """scan_sessions() gives every session as it is stored, whatever the size of a page."""
    shop, other = subject.shop(), subject.shop("shop-\u00e9")
    stored = [
        *(online_session(shop, user) for user in range(12)),
        offline_session(shop),
        offline_session(other, access_token=None, refresh_token="", scope=None, expires=None),
        online_session(other, online_access_info=None, state="\u00fc"),
    ]
    await together(subject.storage.store_session(one) for one in stored)
    for batch in (4, 500, 10_000):
        await subject.scans(stored, batch=batch)


@case("scanning")
async def scan_ends_with_a_page_that_says_so(subject: Subject) -> None:
    """Every page but the last one says where the next begins, as text."""
    shop = subject.shop()
    stored = [online_session(shop, user) for user in range(7)]
    await together(subject.storage.store_session(one) for one in stored)
    pages = [page async for page in subject.storage.scan_sessions(batch=3)]
    true(len(pages) > 0, "scan_sessions() gave no page at all")
    for page in pages:
        true(isinstance(page, SessionPage), f"a page was a {type(page).__name__}")
    same([type(page.after) for page in pages[:-1]], [str] * (len(pages) - 1), "the types of after")
    same(pages[-1].after, None, "after of the last page")


@case("further", "scanning")
async def scan_goes_on_where_another_ended(subject: Subject) -> None:
    """Another storage can go on after any page of a walk that was given up."""
    shop = subject.shop()
    stored = [online_session(shop, user) for user in range(9)]
    await together(subject.storage.store_session(one) for one in stored)
    wanted = {one.id for one in stored}
    seen: set[str] = set()
    after: str | None = None
    other = await subject.further()
    walkers = [subject.storage, other]
    for batch in chain([2] * 6, repeat(1000)):
        walkers.reverse()  # each page by the other one
        async with aclosing(_walk(walkers[0], after, batch)) as pages:
            page = await anext(pages)
        seen |= {one.id for one in page.sessions}
        after = page.after
        if after is None:
            break
    same(sorted(wanted - seen), [], "what a walk in pieces has not seen")


def _walk(storage: Any, after: str | None, batch: int) -> Any:
    return storage.scan_sessions(after=after, batch=batch)


@case("scanning")
async def scan_sees_what_stays_whatever_changes(subject: Subject) -> None:
    """A session that is there throughout is seen, though others come and go during the walk."""
    shop = subject.shop()
    goes = [online_session(shop, user) for user in range(100, 118)]
    stays = [online_session(shop, user) for user in range(120, 130)]
    comes = [online_session(shop, user) for user in range(131, 137)]
    await together(subject.storage.store_session(one) for one in [*stays, *goes])
    seen: set[str] = set()
    changes = iter(zip(comes, *[iter(goes)] * 3, stays, strict=False))
    async for page in subject.storage.scan_sessions(batch=5):
        seen |= {one.id for one in page.sessions}
        for new, *old, again in islice(changes, 1):
            await subject.storage.store_session(new)
            await subject.storage.delete_sessions([one.id for one in old])
            await subject.storage.store_session(replace(again, scope="write_products"))
    same(sorted({one.id for one in stays} - seen), [], "what was there and was not seen")


@case("scanning")
async def many_walks_at_once_each_see_all(subject: Subject) -> None:
    """Walks at the same time do not disturb each other, even if one is given up."""
    shop = subject.shop()
    stored = [online_session(shop, user) for user in range(11)]
    await together(subject.storage.store_session(one) for one in stored)
    async with aclosing(_walk(subject.storage, None, 2)) as pages:
        await anext(pages)
    await together(subject.scans(stored, batch=batch) for batch in (3, 4, 5))
    walk = asyncio.ensure_future(subject.scans(stored, batch=2))
    await asyncio.sleep(0)
    walk.cancel()
    await asyncio.wait([walk])
    await subject.scans(stored, batch=500)


@case("scanning")
async def scanned_sessions_are_the_callers_own(subject: Subject) -> None:
    """Changing a session of a page changes nothing that is stored, and no other page."""
    session = online_session(subject.shop())
    await subject.stores(session)
    async for page in subject.storage.scan_sessions():
        for one in page.sessions:
            if one.id == session.id:
                one.scope = "changed"
                assert one.online_access_info is not None
                one.online_access_info.associated_user.email = "changed"
    await subject.loads(session)
    await subject.scans([session])


@case("scanning")
async def scan_checks_its_arguments(subject: Subject) -> None:
    """A batch or a place of the wrong type raises TypeError, one that cannot be ValueError."""
    storage: Any = subject.storage
    wrong: list[tuple[type[Exception], dict[str, Any]]] = [
        *((TypeError, {"batch": batch}) for batch in (None, "5", 1.5, True)),
        *((TypeError, {"after": after}) for after in (1, b"id")),
        *((ValueError, {"batch": batch}) for batch in (0, -1, 10_001)),
        *((ValueError, {"after": after}) for after in ("a\0", "\ud800")),
    ]
    for expected, arguments in wrong:

        async def walk(arguments: dict[str, Any] = arguments) -> None:
            async for _ in storage.scan_sessions(**arguments):
                pass

        await raises(expected, walk, f"scan_sessions() with {arguments!r}")


@case("failing", "scanning")
async def scan_raises_whatever_on_error_says(subject: Subject) -> None:
    """Without a backend a walk raises, even with on_error="log": a failure is not the end."""
    storage = await subject.failing("log")

    async def walk() -> None:
        async for _ in storage.scan_sessions():
            pass

    error = await raises(SessionStorageError, walk, "scan_sessions() without a backend")
    true(error.__cause__ is not None, "the error of scan_sessions() has no cause")
