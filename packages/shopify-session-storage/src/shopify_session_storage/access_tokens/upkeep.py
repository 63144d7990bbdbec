"""What an app does for all its shops at once: find what is due, keep it warm, migrate it."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from shopify_session_storage.access_tokens.conversion import shop_domain
from shopify_session_storage.access_tokens.errors import AccessTokenError
from shopify_session_storage.errors import SessionStorageError
from shopify_session_storage.ids import offline_session_id
from shopify_session_storage.session import Session

_BATCH: Final = 100

Reason = Literal["access_token", "refresh_token", "lost", "never_expires"]


@dataclass(frozen=True)
class RefreshDue:
    """A shop whose offline token needs attention.

    Attributes:
        shop: The shop's full domain.
        reason: ``"access_token"``: it is due, the next use refreshes it; ``"refresh_token"``: that
            will expire soon, refresh it now; ``"lost"``: it has expired, only a merchant can help;
            ``"never_expires"``: the old kind of token, to be migrated.
        expires: When the access token expires, or None.
        refresh_token_expires: When the refresh token expires, or None.
    """

    shop: str
    reason: Reason
    expires: datetime | None
    refresh_token_expires: datetime | None


@dataclass
class Report:
    """What a run over many shops came to.

    Attributes:
        done: The shops, by full domain, that were refreshed or migrated.
        skipped: Those where there was nothing to do.
        failed: Those that failed, with why. Run again: what is done is skipped.
    """

    done: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: dict[str, Exception] = field(default_factory=dict)


async def iter_refresh_due(
    read: Callable[[str], Awaitable[Session | None]],
    shops: Iterable[str] | AsyncIterable[str],
    *,
    due: Callable[[Session], bool],
    within: timedelta,
) -> AsyncIterator[RefreshDue]:
    """See :meth:`AccessTokenStore.iter_refresh_due`."""
    async for batch in _batches(shops):
        ids = (offline_session_id(shop_domain(shop)) for shop in batch)
        # Loads that are under way together leave as a few queries.
        for session in await asyncio.gather(*map(read, ids)):
            reason = None if session is None else _reason(session, due, within)
            if session is not None and reason is not None:
                yield RefreshDue(
                    session.shop, reason, session.expires, session.refresh_token_expires
                )


def _reason(session: Session, due: Callable[[Session], bool], within: timedelta) -> Reason | None:
    now = datetime.now(UTC)
    expires = session.refresh_token_expires
    if expires is not None and expires <= now:
        return "lost"
    if expires is not None and expires - now <= within:
        return "refresh_token"
    if session.expires is None:
        return "never_expires"
    return "access_token" if due(session) else None


async def keep_warm(
    found: AsyncIterator[RefreshDue],
    refresh: Callable[[str], Awaitable[bool]],
    per_second: float,
) -> Report:
    """See :meth:`AccessTokenStore.keep_warm`."""
    due = (each.shop async for each in found if each.reason == "refresh_token")
    return await _each(due, refresh, per_second)


async def migrate_to_expiring(
    shops: Iterable[str] | AsyncIterable[str],
    migrate: Callable[[str], Awaitable[bool]],
    per_second: float,
) -> Report:
    """See :meth:`AccessTokenStore.migrate_to_expiring`."""
    return await _each(_domains(shops), migrate, per_second)


async def _each(
    shops: AsyncIterator[str], work: Callable[[str], Awaitable[bool]], per_second: float
) -> Report:
    if per_second <= 0:
        raise ValueError("per_second must be positive")
    report = Report()
    loop = asyncio.get_running_loop()
    async for shop in shops:
        next_start = loop.time() + 1 / per_second
        try:
            done = await work(shop)
        except (AccessTokenError, SessionStorageError) as error:
            report.failed[shop] = error
        else:
            (report.done if done else report.skipped).append(shop)
            if not done:
                continue  # Shopify was not asked
        await asyncio.sleep(max(0.0, next_start - loop.time()))
    return report


async def _domains(shops: Iterable[str] | AsyncIterable[str]) -> AsyncIterator[str]:
    async for batch in _batches(shops):
        for shop in batch:
            yield shop_domain(shop)


async def _batches(shops: Iterable[str] | AsyncIterable[str]) -> AsyncIterator[list[str]]:
    if isinstance(shops, str):
        raise TypeError("shops must be an iterable of str, not a str")
    batch: list[str] = []
    async for shop in _each_of(shops):
        batch.append(shop)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


async def _each_of(shops: Iterable[str] | AsyncIterable[str]) -> AsyncIterator[str]:
    if isinstance(shops, AsyncIterable):
        async for shop in shops:
            yield shop
    else:
        for shop in shops:
            yield shop
