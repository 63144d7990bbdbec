"""Copying one page of sessions, so that no newer version of any is lost."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from shopify_session_storage.cli.copying.counts import Counts
from shopify_session_storage.cli.copying.patience import Patience
from shopify_session_storage.cli.copying.rules import OnConflict, is_same
from shopify_session_storage.errors import SessionStorageError, SessionStorageUnavailableError
from shopify_session_storage.pages import SessionPage
from shopify_session_storage.session import Session
from shopify_session_storage.sql.looking import as_kept
from shopify_session_storage.storage import SessionStorage

_T = TypeVar("_T")
_R = TypeVar("_R")

# How often a session is looked at anew that somebody else has changed in between.
_TRIES: Final = 5


@dataclass
class PageCopier:
    """Copies pages into a target.

    Attributes:
        target: Where to.
        on_conflict: What becomes of sessions that the target has in another version.
        live: Whether somebody else writes to the target, so that every write is compared. What
            replaces something is compared always.
        dry_run: Whether to count only.
    """

    target: SessionStorage
    on_conflict: OnConflict
    live: bool
    dry_run: bool = False
    _patience: Patience = field(default_factory=Patience, init=False)

    async def copy(self, page: SessionPage, counts: Counts) -> list[Session]:
        """Copy what the target has not, and count.

        Returns:
            What was written.

        Raises:
            SessionStorageUnavailableError: If the target fails. What was written is then unknown.
        """
        while True:
            mine = Counts()
            try:
                written = await self._copy(page, mine)
            except SessionStorageUnavailableError:
                if not await self._patience.ask_for_less():
                    raise
            else:
                counts.add(mine)
                return written

    async def check(self, page: SessionPage, counts: Counts) -> None:
        """Copy what the target has not, and see that it has it then."""
        written = await self.copy(page, counts)
        found = await self._each(self.target.load_session, [session.id for session in written])
        wrong = [
            session.id
            for session, stored in zip(written, found, strict=True)
            if not isinstance(stored, Session)
            or (not self._is_same(session, stored) and self.on_conflict.replaces(session, stored))
        ]
        counts.failed(wrong, "it was stored, but came back different")

    async def _copy(self, page: SessionPage, counts: Counts) -> list[Session]:
        counts.corrupt(page.corrupt)
        pending = list({session.id: session for session in page.sessions}.values())
        written: list[Session] = []
        for _ in range(_TRIES):
            if not pending:
                break
            pending = await self._once(pending, counts, written)
        counts.failed([session.id for session in pending], "it is changed all the time")
        return written

    async def _once(
        self, sessions: Sequence[Session], counts: Counts, written: list[Session]
    ) -> list[Session]:
        """Look at what the target has, and write what it lacks.

        Returns:
            Those that somebody else has changed in between.
        """
        found = await self._each(self.target.load_session, [session.id for session in sessions])
        due: list[tuple[Session, Session | None]] = []
        for session, stored in zip(sessions, found, strict=True):
            if isinstance(stored, Exception):
                counts.failed([session.id], str(stored))
            elif stored is None:
                due.append((session, None))
            elif self._is_same(session, stored):
                counts.same += 1
            elif self.on_conflict.replaces(session, stored):
                due.append((session, stored))
            else:
                counts.kept += 1
        outcomes = await self._each(self._write, due)
        lost = []
        for (session, stored), outcome in zip(due, outcomes, strict=True):
            if isinstance(outcome, Exception):
                counts.failed([session.id], str(outcome))
            elif not outcome:
                lost.append(session)
            else:
                written.append(session)
                counts.copied += stored is None
                counts.replaced += stored is not None
        return lost

    def _is_same(self, session: Session, stored: Session) -> bool:
        return is_same(session, stored) or is_same(as_kept(self.target, session), stored)

    async def _write(self, pair: tuple[Session, Session | None]) -> bool:
        session, stored = pair
        if self.dry_run:
            return True
        if stored is None and not self.live:
            # Many of these travel together, which comparisons do not.
            return await self.target.store_session(session)
        return await self.target.compare_and_store(session, stored)

    async def _each(
        self, call: Callable[[_T], Awaitable[_R]], arguments: Sequence[_T]
    ) -> list[_R | SessionStorageError]:
        """Call for all of *arguments*, many at once.

        Returns:
            What each came to: its result, or the error of one session alone.

        Raises:
            SessionStorageUnavailableError: If the storage fails.
        """
        outcomes: list[_R | SessionStorageError] = []
        size = self._patience.size
        for first in range(0, len(arguments), size):
            calls = map(call, arguments[first : first + size])
            for outcome in await asyncio.gather(*calls, return_exceptions=True):
                if isinstance(outcome, BaseException) and (
                    isinstance(outcome, SessionStorageUnavailableError)
                    or not isinstance(outcome, SessionStorageError)
                ):
                    raise outcome
                outcomes.append(outcome)
        return outcomes
