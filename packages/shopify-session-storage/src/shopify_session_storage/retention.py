"""Which sessions are dead, and removing them, without ever removing one that came back to life."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from shopify_session_storage.session import Session, check_date
from shopify_session_storage.storage import SessionStorage

GRACE: Final = timedelta(days=1)
"""How long a session must be dead, since clocks differ."""


@dataclass(frozen=True)
class PurgeReport:
    """What :meth:`SessionStorage.purge_expired` came to.

    Attributes:
        examined: How many sessions it has looked at.
        deleted: How many it has deleted; of a dry run, how many it would have.
    """

    examined: int = 0
    deleted: int = 0


def is_dead(session: Session, before: datetime, *, offline: bool) -> bool:
    """Tell whether nobody can do anything with a session any more, since *before*.

    An online session is dead when it has expired. An offline one is when its access token and its
    refresh token have both expired, or if it expires and has no refresh token; but only if
    *offline* says so, because many apps take the row as a sign that they are installed. What does
    not expire, and a refresh token without a known end, are never dead.
    """
    if session.expires is None or session.expires >= before:
        return False
    if session.is_online:
        return True
    if not offline:
        return False
    if session.refresh_token is None:
        return True
    ends = session.refresh_token_expires
    return ends is not None and ends < before


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
    async for page in storage.scan_sessions(batch=batch):
        examined += len(page.sessions) + len(page.corrupt)
        dead = [one for one in page.sessions if is_dead(one, before, offline=offline)]
        if dry_run:
            deleted += len(dead)
        else:
            # By comparison: what is refreshed meanwhile stays.
            deleted += sum(await asyncio.gather(*map(storage.compare_and_delete, dead)))
    return PurgeReport(examined, deleted)
