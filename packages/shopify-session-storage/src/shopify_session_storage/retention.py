"""Which sessions are dead, and removing them, without ever removing one that came back to life."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from shopify_session_storage.checks import check_expected
from shopify_session_storage.errors import InvalidSessionError
from shopify_session_storage.pacing import Pace, step_of
from shopify_session_storage.pages import check_scan
from shopify_session_storage.session import Session
from shopify_session_storage.storage import SessionStorage
from shopify_session_storage.values import check_date

_logger: Final = logging.getLogger("shopify_session_storage.retention")

GRACE: Final = timedelta(days=1)
"""How long a session must be dead, because clocks differ."""


@dataclass(frozen=True)
class PurgeReport:
    """The result of :meth:`SessionStorage.purge_expired`.

    Attributes:
        examined: How many sessions were examined.
        deleted: How many were deleted; in a dry run, how many would have been.
    """

    examined: int = 0
    deleted: int = 0


def end_of(session: Session) -> datetime | None:
    """Return when a session becomes useless to everybody; None for never.

    That is when both its access token and its refresh token have expired. It never is if one of
    them does not expire, or if the end of the refresh token is unknown.
    """
    if session.expires is None or session.refresh_token is None:
        return session.expires
    ends = session.refresh_token_expires
    return None if ends is None else max(session.expires, ends)


def is_dead(session: Session, before: datetime, *, offline: bool) -> bool:
    """Tell whether a session became useless before *before*.

    Offline sessions count only if *offline* is true, because many apps take the row as the sign
    that they are installed.
    """
    end = end_of(session)
    return end is not None and end < before and (session.is_online or offline)


def check_grace(expire_dead: timedelta | None) -> None:
    """Check the option ``expire_dead`` of adapters whose backends can delete by themselves.

    Raises:
        TypeError: If it is neither a timedelta nor None.
        ValueError: If it is not positive.
    """
    if expire_dead is None:
        return
    if not isinstance(expire_dead, timedelta):
        raise TypeError(f"expire_dead must be a timedelta, not {type(expire_dead).__name__}")
    if expire_dead <= timedelta(0):
        raise ValueError("expire_dead must be positive")


def expiry_of(session: Session, expire_dead: timedelta | None) -> datetime | None:
    """Return when the backend is to delete a session that is stored now; None for never.

    That is *expire_dead* after both its tokens have expired, or after now, if that is later. So
    what was just stored can be loaded.
    """
    if expire_dead is None or (end := end_of(session)) is None:
        return None
    try:
        return max(end, datetime.now(UTC)) + expire_dead
    except OverflowError:  # after the year 9999
        return None


async def purge_expired(
    storage: SessionStorage,
    *,
    before: datetime | None,
    offline: bool,
    batch: int,
    dry_run: bool,
) -> PurgeReport:
    """See :meth:`SessionStorage.purge_expired`."""
    now = datetime.now(UTC)
    if before is None:
        before = now - GRACE
    check_date("before", before)
    if before > now:
        raise ValueError("before must not lie in the future")
    for name, flag in (("offline", offline), ("dry_run", dry_run)):
        if not isinstance(flag, bool):
            raise TypeError(f"{name} must be a bool, not {type(flag).__name__}")
    examined = deleted = 0
    check_scan(None, batch)
    pace = Pace()
    async for page in storage.scan_sessions(batch=step_of(storage, batch)):
        examined += len(page.sessions) + len(page.corrupt)
        dead = [
            one
            for one in page.sessions
            if is_dead(one, before, offline=offline) and _can_be_compared(one)
        ]
        if dry_run:
            deleted += len(dead)
        else:
            # By comparison: what is refreshed meanwhile stays.
            deleted += sum(await asyncio.gather(*map(storage.compare_and_delete, dead)))
        if page.after is not None:
            await pace.rest()
    return PurgeReport(examined, deleted)


def _can_be_compared(session: Session) -> bool:
    try:
        check_expected(session)
    except InvalidSessionError as error:
        # Another program has stored it, by its own rules. It must not end the purge of all others.
        _logger.warning("session %r cannot be purged: %s", session.id, error)
        return False
    return True
