"""Writes on a condition: one of many wins, and nothing newer is lost."""

import asyncio
from dataclasses import replace

from shopify_session_storage.session import Session
from shopify_session_storage.stored import has_same_tokens
from shopify_session_storage.testing.assertions import same, tick, together
from shopify_session_storage.testing.case import case
from shopify_session_storage.testing.sessions import (
    EXPIRES,
    offline_session,
    online_session,
    unique,
)
from shopify_session_storage.testing.subject import Subject


@case()
async def compare_and_store_stores_what_is_expected(subject: Subject) -> None:
    """compare_and_store() stores if the tokens are still the expected ones, or nothing is."""
    session = offline_session(subject.shop())
    same(await subject.storage.compare_and_store(session, None), True, "the first session")
    await subject.loads(session)
    await subject.finds(session.shop, [session])
    newer = replace(session, access_token="newer", refresh_token="newer too")
    # Only the tokens are compared.
    expected = replace(session, state="another", scope=None, expires=None)
    same(await subject.storage.compare_and_store(newer, expected), True, "a newer session")
    await subject.loads(newer)
    await subject.finds(session.shop, [newer])
    same(await subject.storage.compare_and_store(newer, newer), True, "the same session again")
    await subject.loads(newer)


@case()
async def compare_and_store_refuses_the_rest(subject: Subject) -> None:
    """With other tokens, or none at all, compare_and_store() is False and changes nothing."""
    storage = subject.storage
    shop = subject.shop()
    session = offline_session(shop, access_token="Token", refresh_token=None)
    same(await storage.compare_and_store(session, session), False, "what is not stored yet")
    without = replace(session, access_token=None)
    same(await storage.compare_and_store(session, without), False, "no token and no session")
    same(await storage.load_session(session.id), None, "what was not stored")
    await subject.finds(shop, [])
    await subject.stores(session)
    newer = replace(session, access_token="newer", refresh_token="newer", scope="newer")
    for expected in (
        None,
        replace(session, access_token="other"),
        replace(session, access_token="token"),
        replace(session, access_token="Token "),
        replace(session, access_token="Tokén"),
        replace(session, access_token=""),
        replace(session, access_token=None),
        replace(session, refresh_token="other"),
        replace(session, refresh_token=""),
    ):
        stored = await storage.compare_and_store(newer, expected)
        same(stored, False, f"compare_and_store() expecting {_differing(expected, session)}")
        await subject.loads(session)
    await subject.finds(shop, [session])
    both = replace(session, access_token="", refresh_token="Refresh")
    await subject.stores(both)
    for expected in (
        replace(both, access_token=None),
        replace(both, refresh_token="refresh"),
        replace(both, refresh_token=None),
    ):
        stored = await storage.compare_and_store(newer, expected)
        is_one = has_same_tokens(subject.kept(expected), subject.kept(both))
        same(stored, is_one, f"compare_and_store() expecting {_differing(expected, both)}")
        if is_one:
            await subject.stores(both)
    await subject.loads(both)
    same(await storage.compare_and_store(newer, both), True, "with both tokens as expected")


@case()
async def compare_and_store_is_false_if_somebody_else_stored_the_same(subject: Subject) -> None:
    """compare_and_store() is False if its own tokens are stored already, but not by this call."""
    storage = subject.storage
    old = offline_session(subject.shop(), access_token="old", scope="old")
    newer = replace(old, access_token="newer", refresh_token="newer", scope="newer")
    await subject.stores(newer)
    again = replace(newer, scope="again")
    for expected in (old, None, replace(newer, refresh_token=None)):
        same(await storage.compare_and_store(again, expected), False, "what is stored already")
        await subject.loads(newer)
    await subject.stores(old)
    versions = [replace(newer, scope=f"scope_{number}") for number in range(10)]
    won = await together(storage.compare_and_store(version, old) for version in versions)
    same(sorted(won), [False] * 9 + [True], "the results of 10 calls that store the same tokens")
    await subject.loads(versions[won.index(True)])


@case()
async def compare_and_store_replaces_everything(subject: Subject) -> None:
    """compare_and_store() replaces the session as a whole, in the shop's list too."""
    shop, other_shop = subject.shop(), subject.shop()
    online = online_session(shop, refresh_token="refresh", refresh_token_expires=EXPIRES)
    await subject.stores(online)
    bare = Session(id=online.id, shop=other_shop, state="", is_online=False)
    same(await subject.storage.compare_and_store(bare, online), True, "a bare session")
    await subject.loads(bare)
    await subject.finds(shop, [])
    await subject.finds(other_shop, [bare])
    same(await subject.storage.compare_and_store(online, bare), True, "without any token before")
    await subject.loads(online)
    await subject.finds(shop, [online])
    await subject.finds(other_shop, [])


@case()
async def of_many_comparisons_one_wins(subject: Subject) -> None:
    """Of many compare_and_stores at once that expect the same, one is True; its session stays."""
    session = offline_session(subject.shop())
    expected = None
    for _ in range(3):
        versions = [replace(session, access_token=unique("token")) for _ in range(10)]
        won = await together(subject.storage.compare_and_store(one, expected) for one in versions)
        same(sorted(won), [False] * 9 + [True], "the results of 10 compare_and_stores at once")
        expected = versions[won.index(True)]
        await subject.loads(expected)


@case("further", "conditional_writes")
async def two_storages_that_compare_do_not_both_win(subject: Subject) -> None:
    """Two storages that expect the same at the same moment: one of them wins, 20 times."""
    storages = [subject.storage, await subject.further()]
    session = offline_session(subject.shop())
    await subject.stores(session)
    expected: Session | None = session
    for attempt in range(40):
        if attempt >= 20:  # then with nothing stored
            await subject.storage.delete_session(session.id)
            expected = None
        versions = [replace(session, access_token=unique("token")) for _ in storages]
        won = await together(
            storage.compare_and_store(version, expected)
            for storage, version in zip(storages, versions, strict=True)
        )
        same(sorted(won), [False, True], "the results of two storages")
        expected = versions[won.index(True)]
        await subject.loads(expected)
    assert expected is not None
    await subject.finds(session.shop, [expected])


@case("conditional_writes")
async def comparing_loses_no_plain_store(subject: Subject) -> None:
    """A plain store is never lost to a compare_and_store() that expects what was there before."""
    old = offline_session(subject.shop(), access_token="old")
    for ticks in range(12):
        await subject.stores(old)
        compared = replace(old, access_token="compared")
        comparing = asyncio.ensure_future(subject.storage.compare_and_store(compared, old))
        await tick(ticks)
        plain = replace(old, access_token="plain")
        await subject.stores(plain)
        await comparing
        await subject.loads(plain)


def _differing(expected: Session | None, stored: Session) -> str:
    if expected is None:
        return "nothing"
    names = [
        n for n in ("access_token", "refresh_token") if getattr(expected, n) != getattr(stored, n)
    ]
    return f"another {names[0]}"
