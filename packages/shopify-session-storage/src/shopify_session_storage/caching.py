"""A cache that answers loads from memory, for apps that load the same shops again and again."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic, time
from typing import Final

from shopify_session_storage.checks import (
    check_comparison,
    check_expected,
    check_session,
    check_session_id,
    check_session_ids,
)
from shopify_session_storage.retention import PurgeReport
from shopify_session_storage.session import Session
from shopify_session_storage.storage import SessionStorage
from shopify_session_storage.stored import copy_session
from shopify_session_storage.wrapping import WrappedSessionStorage

_fresh: Final[ContextVar[bool]] = ContextVar("shopify_session_storage.fresh_reads", default=False)


@contextmanager
def fresh_reads() -> Iterator[None]:
    """Make every load inside the block ask the backend, whatever caches are in between."""
    token = _fresh.set(True)
    try:
        yield
    finally:
        _fresh.reset(token)


@dataclass(slots=True)
class _Entry:
    """A session, and until when it may be served: on the monotonic clock, and on the calendar."""

    session: Session
    until: float
    due: float


@dataclass(slots=True, eq=False)  # one load is not another
class _Load:
    """A load under way, and whether no write of its session has begun or ended since."""

    is_current: bool = True


class CachedSessionStorage(WrappedSessionStorage):
    """Serves loads of another storage from memory.

    It serves only loads, and only of sessions whose access token is valid for a while yet. Finds,
    comparisons and leases go to the storage, and so do loads of sessions that are due for a refresh
    or not stored. So an install shows at once, and :class:`AccessTokenStore` never refreshes with
    an outdated refresh token.

    A load may return a session that another process replaced or deleted up to *ttl* ago: with the
    scopes before a new grant, or with a token of a shop that has uninstalled the app. What this
    object writes shows at once. Inside :func:`fresh_reads` every load goes to the storage.

    Args:
        storage: The storage whose loads are cached.
        ttl: How long a session is served, counted from the start of its load; 0: never.
        max_sessions: How many sessions are kept at most. Those that were used last stay.
        refresh_before: A session is not served any more this long before its token expires. Give it
            more than the same option of :class:`AccessTokenStore`, so that tokens that are due come
            from the storage.

    Raises:
        TypeError: If an argument is of another type.
        ValueError: If *ttl* or *refresh_before* is negative, or *max_sessions* less than 1.
    """

    def __init__(
        self,
        storage: SessionStorage,
        *,
        ttl: timedelta = timedelta(seconds=30),
        max_sessions: int = 10_000,
        refresh_before: timedelta = timedelta(minutes=6),
    ) -> None:
        super().__init__(storage)
        self._ttl = _seconds("ttl", ttl)
        self._refresh_before = _seconds("refresh_before", refresh_before)
        if isinstance(max_sessions, bool) or not isinstance(max_sessions, int):
            raise TypeError(f"max_sessions must be an int, not {type(max_sessions).__name__}")
        if max_sessions < 1:
            raise ValueError("max_sessions must be at least 1")
        self._max_sessions = max_sessions
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._loads: dict[str, list[_Load]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None  # on which the storage answered last

    def invalidate(self, id: str | None = None) -> None:
        """Forget the session with this id, or all. Loads under way are not cached either.

        Raises:
            TypeError: If *id* is neither None nor a str.
            ValueError: If it cannot be a session's id.
        """
        if id is not None:
            check_session_id(id)
            self._forget([id])
        else:
            self._forget([*self._entries, *self._loads])

    async def load_session(self, id: str) -> Session | None:
        check_session_id(id)
        began = monotonic()
        loop = asyncio.get_running_loop()
        # On another one the storage is asked, which refuses a second loop at hits, too.
        if loop is self._loop and not _fresh.get():
            entry = self._entries.get(id)
            if entry is not None:
                if began < entry.until and time() < entry.due:
                    self._entries.move_to_end(id)
                    return copy_session(entry.session)
                del self._entries[id]
        load = _Load()
        loads = self._loads.setdefault(id, [])
        loads.append(load)
        try:
            session = await self.wrapped.load_session(id)
        finally:
            loads.remove(load)
            if not loads and self._loads.get(id) is loads:
                del self._loads[id]
        self._loop = loop
        if load.is_current:
            self._keep(id, session, began + self._ttl)
        return session

    async def store_session(self, session: Session) -> bool:
        check_session(session)
        with self._writing([session.id]):
            return await self.wrapped.store_session(session)

    async def delete_session(self, id: str) -> bool:
        check_session_id(id)
        with self._writing([id]):
            return await self.wrapped.delete_session(id)

    async def delete_sessions(self, ids: Iterable[str]) -> bool:
        unique = check_session_ids(ids)
        with self._writing(unique):
            return await self.wrapped.delete_sessions(unique)

    async def compare_and_store(self, session: Session, expected: Session | None) -> bool:
        check_comparison(session, expected)
        with self._writing([session.id]):
            return await self.wrapped.compare_and_store(session, expected)

    async def compare_and_delete(self, expected: Session) -> bool:
        check_expected(expected)
        with self._writing([expected.id]):
            return await self.wrapped.compare_and_delete(expected)

    async def purge_expired(
        self,
        *,
        before: datetime | None = None,
        offline: bool = False,
        batch: int = 500,
        dry_run: bool = False,
    ) -> PurgeReport:
        try:
            return await super().purge_expired(
                before=before, offline=offline, batch=batch, dry_run=dry_run
            )
        finally:
            self.invalidate()  # whatever was deleted

    async def disconnect(self) -> None:
        self.invalidate()
        await super().disconnect()

    @contextmanager
    def _writing(self, ids: Sequence[str]) -> Iterator[None]:
        """Keep nothing that was read before the write, or while it was under way."""
        self._forget(ids)
        try:
            yield
        finally:
            self._forget(ids)

    def _forget(self, ids: Iterable[str]) -> None:
        for id in ids:
            self._entries.pop(id, None)
            for load in self._loads.get(id, ()):
                load.is_current = False

    def _keep(self, id: str, session: Session | None, until: float) -> None:
        # One without a token is an authorization under way, maybe on several servers.
        if session is None or not session.access_token or not self._ttl:
            self._entries.pop(id, None)
            return
        due = float("inf")
        if session.expires is not None:
            due = session.expires.timestamp() - self._refresh_before
        if due <= time():
            self._entries.pop(id, None)
            return
        self._entries[id] = _Entry(copy_session(session), until, due)
        self._entries.move_to_end(id)
        if len(self._entries) > self._max_sessions:
            self._entries.popitem(last=False)


def _seconds(name: str, duration: timedelta) -> float:
    if not isinstance(duration, timedelta):
        raise TypeError(f"{name} must be a timedelta, not {type(duration).__name__}")
    if duration < timedelta(0):
        raise ValueError(f"{name} must not be negative")
    return duration.total_seconds()
