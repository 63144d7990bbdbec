"""What an app does for all its shops at once: find what is due, keep it warm, migrate it."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from shopify_session_storage.access_tokens.arguments import shop_domain
from shopify_session_storage.access_tokens.errors import TokenRefreshUnavailable
from shopify_session_storage.access_tokens.pace import at_pace, check_per_second
from shopify_session_storage.access_tokens.reports import (
    Reason,
    RefreshDue,
    Report,
    ShopResult,
    kept,
    outcome_of,
)
from shopify_session_storage.access_tokens.stored_shops import StoredShops, UnreadableShop
from shopify_session_storage.errors import CorruptSessionError
from shopify_session_storage.ids import offline_session_id
from shopify_session_storage.session import Session

__all__ = [
    "OnResult",
    "RefreshDue",
    "Report",
    "ShopResult",
    "iter_refresh_due",
    "keep_warm",
    "migrate_to_expiring",
]

Shops = Iterable[str] | AsyncIterable[str | UnreadableShop]
OnResult = Callable[[ShopResult], object]

_BATCH: Final = 100

# A refresh token that ended less than this ago is tried all the same: the local clock may be wrong.
_DOUBT: Final = timedelta(days=2)

# For how long a shop waits while the endpoint is left alone for all.
_PATIENCE: Final = timedelta(minutes=1)
_NONE: Final = timedelta(0)


def iter_refresh_due(
    read: Callable[[str], Awaitable[Session | None]],
    shops: Shops,
    *,
    due: Callable[[Session], bool],
    within: timedelta,
) -> AsyncIterator[RefreshDue]:
    """See :meth:`AccessTokenStore.iter_refresh_due`."""
    _check_shops(shops)
    if not isinstance(within, timedelta):
        raise TypeError(f"refresh_token_within must be a timedelta, not {type(within).__name__}")
    if within < timedelta(0):
        raise ValueError("refresh_token_within must not be negative")
    return _iter_refresh_due(read, shops, due, within)


async def _iter_refresh_due(
    read: Callable[[str], Awaitable[Session | None]],
    shops: Shops,
    due: Callable[[Session], bool],
    within: timedelta,
) -> AsyncIterator[RefreshDue]:
    async for batch in _batches(_names(shops)):
        sound = [domain for domain, error in batch if error is None]
        for domain, error in batch:
            if error is not None:
                yield RefreshDue(domain, "failed", error=error)
        # Loads that are under way together leave as a few queries.
        loads = (read(offline_session_id(domain)) for domain in sound)
        found = await asyncio.gather(*loads, return_exceptions=True)
        for domain, session in zip(sound, found, strict=True):
            if isinstance(session, Exception):
                yield RefreshDue(domain, "failed", error=kept(session, domain))
            elif isinstance(session, BaseException):
                raise session
            elif session is not None and (reason := _reason(session, due, within)) is not None:
                yield RefreshDue(domain, reason, session.expires, session.refresh_token_expires)


def _reason(session: Session, due: Callable[[Session], bool], within: timedelta) -> Reason | None:
    now = datetime.now(UTC)
    expires = session.refresh_token_expires
    if expires is not None and expires <= now - _DOUBT:
        return "lost"
    if expires is not None and expires - now <= within:
        return "refresh_token"
    if session.expires is None:
        return "never_expires"
    if not due(session):
        return None
    # Nobody knows when it ends, so it may be soon. What replaces it has a date.
    return "refresh_token" if session.refresh_token and expires is None else "access_token"


async def keep_warm(
    found: AsyncIterator[RefreshDue],
    refresh: Callable[[str], Awaitable[bool]],
    per_second: float,
    on_result: OnResult | None = None,
) -> Report:
    """See :meth:`AccessTokenStore.keep_warm`."""
    check_per_second(per_second)
    _check_on_result(on_result)
    wanted = (
        (each.shop, each.error)
        async for each in found
        if each.reason in ("refresh_token", "failed")
    )
    return await _each(wanted, refresh, per_second, on_result)


async def migrate_to_expiring(
    shops: Shops,
    migrate: Callable[[str], Awaitable[bool]],
    per_second: float,
    on_result: OnResult | None = None,
) -> Report:
    """See :meth:`AccessTokenStore.migrate_to_expiring`."""
    _check_shops(shops)
    check_per_second(per_second)
    _check_on_result(on_result)
    return await _each(_names(shops), migrate, per_second, on_result)


async def _each(
    shops: AsyncIterator[tuple[str, Exception | None]],
    work: Callable[[str], Awaitable[bool]],
    per_second: float,
    on_result: OnResult | None,
) -> Report:
    report = Report()
    order: dict[str, int] = {}
    waited: dict[str, timedelta] = {}

    def note(result: ShopResult) -> None:
        report.counts[result.outcome] += 1
        waited.pop(result.shop, None)
        if on_result is not None:  # who keeps nothing takes no memory, however many there are
            on_result(result)
        elif result.error is not None:
            report.failed[result.shop] = result.error
        else:
            (report.done if result.outcome == "done" else report.skipped).append(result.shop)

    async def one(shop: tuple[str, Exception | None]) -> bool | timedelta:
        domain, error = shop
        if on_result is None:
            order.setdefault(domain, len(order))
        if error is not None:
            note(ShopResult(domain, outcome_of(error), error))
            return False
        try:
            done = await work(domain)
        except Exception as failure:  # whatever it is, it is this shop's alone
            if (rest := _endpoint_rests(failure)) and waited.get(domain, _NONE) < _PATIENCE:
                waited[domain] = waited.get(domain, _NONE) + rest
                return rest
            problem = kept(failure, domain)
        else:
            note(ShopResult(domain, "done" if done else "skipped"))
            return done  # else Shopify was not asked
        note(ShopResult(domain, outcome_of(problem), problem))
        return True

    await at_pace(_once(shops) if on_result is None else shops, one, per_second)
    report.done.sort(key=order.__getitem__)
    report.skipped.sort(key=order.__getitem__)
    report.failed = {shop: report.failed[shop] for shop in order if shop in report.failed}
    return report


async def _once(
    shops: AsyncIterator[tuple[str, Exception | None]],
) -> AsyncIterator[tuple[str, Exception | None]]:
    seen: set[str] = set()
    async for shop in shops:
        if shop[0] not in seen:
            seen.add(shop[0])
            yield shop


def _check_on_result(on_result: object) -> None:
    if on_result is not None and not callable(on_result):
        raise TypeError(f"on_result must be a function, not a {type(on_result).__name__}")


def _endpoint_rests(error: Exception) -> timedelta | None:
    """Return for how long the endpoint is left alone as a whole, if that is all."""
    if isinstance(error, TokenRefreshUnavailable) and not error.requests:
        return error.retry_after
    return None


async def _names(
    shops: Shops,
) -> AsyncIterator[tuple[str, Exception | None]]:
    """Give each shop's domain once, and with an error what names no shop.

    Those of a walk through the storage come as they come, since there may be a million: hardly
    ever twice, and then there is nothing to do for them any more.
    """
    seen: set[str] = set()
    async for name in _each_of(shops):
        error: Exception | None = None
        if isinstance(name, UnreadableShop):
            yield name.shop, CorruptSessionError(f"session {name.id!r} cannot be read")
            continue
        try:
            domain = shop_domain(name)
        except (TypeError, ValueError) as problem:
            domain = name if isinstance(name, str) else repr(name)
            error = type(problem)(*problem.args)  # without its traceback
        if isinstance(shops, StoredShops):
            yield domain, error
        elif domain not in seen:
            seen.add(domain)
            yield domain, error


async def _batches(
    items: AsyncIterator[tuple[str, Exception | None]],
) -> AsyncIterator[list[tuple[str, Exception | None]]]:
    batch = []
    async for item in items:
        batch.append(item)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


async def _each_of(shops: Shops) -> AsyncIterator[Any]:
    if isinstance(shops, AsyncIterable):
        async for shop in shops:
            yield shop
    else:
        for shop in shops:
            yield shop


def _check_shops(shops: object) -> None:
    if isinstance(shops, str | bytes) or not isinstance(shops, Iterable | AsyncIterable):
        raise TypeError(f"shops must be an iterable of str, not a {type(shops).__name__}")
