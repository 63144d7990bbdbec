"""Deleting on a condition: what is newer than expected stays."""

import asyncio
from dataclasses import replace

from shopify_session_storage.session import Session
from shopify_session_storage.storage import SessionStorage
from shopify_session_storage.stored import has_same_tokens
from shopify_session_storage.testing.assertions import same, tick, together
from shopify_session_storage.testing.case import case
from shopify_session_storage.testing.sessions import offline_session, online_session, unique
from shopify_session_storage.testing.subject import Subject


@case()
async def compare_and_delete_deletes_what_is_expected(subject: Subject) -> None:
    """compare_and_delete() deletes if the tokens are still the expected ones."""
    shop = subject.shop()
    session, stays = offline_session(shop), online_session(shop, refresh_token=None)
    await subject.stores(session, stays)
    # Only the tokens are compared.
    expected = replace(session, state="another", scope=None, expires=None)
    same(await subject.storage.compare_and_delete(expected), True, "compare_and_delete()")
    await _gone(subject, session)
    await subject.finds(shop, [stays])
    for tokens in ((None, None), ("", None), (None, ""), ("", ""), ("Token é", "Refresh 😀")):
        session = offline_session(shop, access_token=tokens[0], refresh_token=tokens[1])
        await subject.stores(session)
        deleted = await subject.storage.compare_and_delete(session)
        same(deleted, True, f"compare_and_delete() with {_kind(session)}")
        await _gone(subject, session)
    await subject.finds(shop, [stays])


@case()
async def compare_and_delete_leaves_other_tokens(subject: Subject) -> None:
    """If one of the tokens is another, compare_and_delete() is False and changes nothing."""
    shop = subject.shop()
    session = offline_session(shop, access_token="Token", refresh_token=None)
    both = offline_session(shop, access_token="", refresh_token="Refresh")
    cases: list[tuple[Session, str, str | None]] = [
        *((session, "access_token", text) for text in ("other", "token", "Token ", "Tokén")),
        *((session, "access_token", text) for text in ("", None)),
        *((session, "refresh_token", text) for text in ("other", "")),
        *((both, "access_token", text) for text in ("other", None)),
        *((both, "refresh_token", text) for text in ("refresh", "Refresh ", "", None)),
    ]
    for stored, name, token in cases:
        await subject.stores(stored)
        expected = replace(stored)
        setattr(expected, name, token)
        deleted = await subject.storage.compare_and_delete(expected)
        is_one = has_same_tokens(subject.kept(expected), subject.kept(stored))
        same(deleted, is_one, f"compare_and_delete() expecting another {name}")
        if not is_one:
            await subject.loads(stored)
    await subject.finds(shop, [both])


@case()
async def compare_and_delete_of_nothing_is_true(subject: Subject) -> None:
    """compare_and_delete() is True if nothing is stored, whatever was expected."""
    shop = subject.shop()
    stays = online_session(shop)
    await subject.stores(stays)
    session = offline_session(shop)
    for expected in (session, replace(session, access_token=None, refresh_token=None), session):
        deleted = await subject.storage.compare_and_delete(expected)
        same(deleted, True, "compare_and_delete() of what is not stored")
        await subject.stores(session)
        await subject.storage.delete_session(session.id)
    await subject.finds(shop, [stays])


@case()
async def many_compared_deletes_each_get_their_own_answer(subject: Subject) -> None:
    """Of many compare_and_deletes at once, beside stores, each deletes only what it expects."""
    shop = subject.shop()
    same_tokens = [online_session(shop, user) for user in range(20)]
    newer = [online_session(shop, user) for user in range(100, 120)]
    missing = [online_session(shop, user) for user in range(200, 210)]
    stored_meanwhile = [online_session(shop, user) for user in range(300, 320)]
    await together(subject.storage.store_session(one) for one in [*same_tokens, *newer])
    expected = [
        (True, same_tokens[0]),
        *((True, one) for one in same_tokens),
        *((False, replace(one, access_token="older")) for one in newer[:10]),
        *((False, replace(one, refresh_token="older")) for one in newer[10:]),
        *((True, one) for one in missing),
    ]
    mixed = sorted(expected, key=lambda pair: pair[1].id[::-1])
    results = await together(
        [
            *(subject.storage.compare_and_delete(one) for _, one in mixed),
            *(subject.storage.store_session(one) for one in stored_meanwhile),
        ]
    )
    for (deleted, one), result in zip(mixed, results, strict=False):
        same(result, deleted, f"compare_and_delete({one.id!r}) among many")
    same(results[len(mixed) :], [True] * 20, "the stores beside them")
    await subject.loads(*newer, *stored_meanwhile)
    await subject.finds(shop, [*newer, *stored_meanwhile])


@case()
async def of_a_store_and_a_delete_that_compare_one_wins(subject: Subject) -> None:
    """Of a compare_and_store() and a compare_and_delete() that expect the same, one is True."""
    session = offline_session(subject.shop())
    for turn in range(10):
        await subject.stores(session)
        newer = replace(session, access_token=unique("token"))
        calls = [
            subject.storage.compare_and_store(newer, session),
            subject.storage.compare_and_delete(session),
        ]
        won = await together(calls if turn % 2 else calls[::-1])
        same(sorted(won), [False, True], "the results of a store and a delete at once")
        if won[0 if turn % 2 else 1]:
            await subject.loads(newer)
        else:
            await _gone(subject, session)


@case("conditional_writes")
async def compared_deletes_lose_no_plain_store(subject: Subject) -> None:
    """What a plain store stores is never deleted by a call that expects what was there before."""
    old = offline_session(subject.shop(), access_token="old")
    for ticks in range(12):
        await subject.stores(old)
        deleting = asyncio.ensure_future(subject.storage.compare_and_delete(old))
        await tick(ticks)
        newer = replace(old, access_token="newer")
        await subject.stores(newer)
        await deleting
        await subject.loads(newer)


@case("further", "conditional_writes")
async def two_storages_compare_before_they_delete(subject: Subject) -> None:
    """What one storage stores is not deleted by another that expected what was before it."""
    old = offline_session(subject.shop(), access_token="old")
    newer = replace(old, access_token="newer")
    other = await subject.further()

    async def replaced(storage: SessionStorage, ticks: int) -> None:
        await tick(ticks)
        same(await storage.store_session(newer), True, "the store of the other storage")

    for turn in range(20):
        await subject.stores(old)
        deleting = asyncio.ensure_future(subject.storage.compare_and_delete(old))
        await replaced(other, turn % 10)
        await deleting
        await subject.loads(newer)
    await subject.finds(old.shop, [newer])


async def _gone(subject: Subject, session: Session) -> None:
    same(await subject.storage.load_session(session.id), None, "what was deleted")


def _kind(session: Session) -> str:
    return ", ".join(
        "no token" if token is None else "a token" if token else "an empty token"
        for token in (session.access_token, session.refresh_token)
    )
