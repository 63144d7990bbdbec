"""The hooks that an adapter implements, most of them for many sessions at once."""

import logging
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import ClassVar

from shopify_session_storage.errors import CorruptSessionError
from shopify_session_storage.failures import Verdict
from shopify_session_storage.pacing import STEP
from shopify_session_storage.pages import SessionPage
from shopify_session_storage.session import Session
from shopify_session_storage.storage import SessionStorage
from shopify_session_storage.stored import has_same_tokens


class AdapterHooks(SessionStorage):
    """The hooks of an adapter. :class:`BaseSessionStorage` describes what each must do."""

    backend: ClassVar[str]
    driver_errors: ClassVar[tuple[type[Exception], ...]] = ()
    connection_errors: ClassVar[tuple[type[Exception], ...]] = ()
    conflict_errors: ClassVar[tuple[type[Exception], ...]] = ()
    data_errors: ClassVar[tuple[type[Exception], ...]] = ()
    denied_errors: ClassVar[tuple[type[Exception], ...]] = ()
    max_groups: ClassVar[int] = 2
    max_write_groups: ClassVar[int | None] = None
    max_slow_groups: ClassVar[int] = 3
    max_group_items: ClassVar[int] = 500
    max_group_shops: ClassVar[int] = 32
    max_group_bytes: int = 1_000_000
    max_step_items: ClassVar[int] = STEP

    _logger: logging.Logger
    _timeout: timedelta
    _seconds: float

    @abstractmethod
    async def _open(self) -> None:
        """Connect, create and migrate. If it fails or is cancelled, ``_close`` is called."""

    @abstractmethod
    async def _close(self) -> None:
        """Release what ``_open`` created, all or part of it, but nothing that was passed in.

        If it takes too long, ``_abandon`` is called.
        """

    @abstractmethod
    async def _ping(self) -> None:
        """See that the backend answers, in one cheap round trip."""

    @abstractmethod
    async def _load(self, ids: Sequence[str]) -> Iterable[Session]:
        """Return the sessions stored under *ids*, in any order. Missing ones are left out."""

    @abstractmethod
    async def _store(self, sessions: Sequence[Session]) -> None:
        """Store each session, replacing it as a whole. Return when all of them are durable."""

    @abstractmethod
    async def _delete(self, ids: Sequence[str]) -> None:
        """Delete what is stored under *ids*."""

    @abstractmethod
    async def _find(self, shops: Sequence[str]) -> Iterable[Session]:
        """Return all sessions of each of *shops*, each once, in any order."""

    async def _compare_and_store(self, session: Session, expected: Session | None) -> bool:
        """Store *session* if the tokens of what is stored are those of *expected*.

        While it runs, no other write of the same session by this storage is under way. This default
        relies on that, and knows nothing of other processes. An adapter that overrides it and
        :meth:`_compare_and_delete`, each with an atomic step of the backend, sets
        ``conditional_writes = "backend"``.
        """
        if not has_same_tokens(await self._load_one(session.id), expected):
            return False
        await self._store([session])
        return True

    async def _compare_and_delete(self, expected: Sequence[Session]) -> Iterable[str]:
        """Delete each session that still has the tokens of *expected*, in one step for each.

        Returns:
            The ids of those that were not deleted, because other tokens are stored under them. What
            was not there at all counts as deleted.
        """
        ids = [session.id for session in expected]
        stored = {session.id: session for session in await self._load(ids)}
        others = [
            session.id
            for session in expected
            if session.id in stored and not has_same_tokens(stored[session.id], session)
        ]
        if deleted := [id for id in stored if id not in others]:
            await self._delete(deleted)
        return others

    async def _scan(self, after: str | None, batch: int) -> SessionPage:
        """Return the page after *after*, of about *batch* sessions.

        Raises:
            ValueError: If *after* does not come from this kind of storage.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot be walked through")

    async def _drop_dangling(self, after: str | None, batch: int) -> str | None:
        """Remove from the adapter's own indexes the sessions that are not there any more.

        The default has no indexes, and does nothing. ``purge_expired()`` calls it with None first,
        then with what it returned, until it returns None.

        Returns:
            Where to go on, after about *batch* keys; None at the end.
        """
        return None

    async def _acquire_lease(self, name: str, holder: str, milliseconds: int) -> bool:
        """Take or renew a lease, and tell whether *holder* has it.

        The default keeps leases in this object. An adapter that overrides it, and
        :meth:`_release_lease`, sets ``leases = "backend"``.
        """
        return self._process_locks().acquire_lease(name, holder, milliseconds)

    async def _release_lease(self, name: str, holder: str) -> None:
        """Give up a lease if *holder* has it."""
        self._process_locks().release_lease(name, holder)

    def _misfit(self, session: Session) -> str | None:
        """Return why the backend, as it is set up, cannot hold a session, without showing a value.

        Called only while the storage is open, with a session that has passed the usual checks.

        Returns:
            None if it can.
        """
        return None

    async def _recover(self) -> None:
        """Make sure that the next call gets a fresh connection. Does not wait for the backend.

        Called before the second try after a lost connection, and after a time limit.
        """

    def _abandon(self) -> None:
        """Drop what ``_open`` created, without awaiting anything: its event loop has ended."""
        self._forget()

    def _forget(self) -> None:
        """Forget what ``_open`` created, without touching it: it belongs to the parent process."""

    def _verdict(self, error: Exception) -> Verdict:
        """Tell what an error of the driver means.

        The default goes by the error's class; an adapter whose driver has codes should use those.
        """
        if isinstance(error, self.data_errors):
            return Verdict.DATA
        if isinstance(error, self.conflict_errors):
            return Verdict.CONFLICT
        if isinstance(error, self.denied_errors):
            return Verdict.DENIED
        if isinstance(error, self.connection_errors):
            return Verdict.LOST
        return Verdict.UNAVAILABLE

    def _describe(self, error: Exception) -> str:
        """Describe a driver's error in words that hold no stored value."""
        return type(error).__name__

    def _scrub(self, error: Exception) -> None:
        """Remove stored values from a driver's error, which becomes the cause of ours."""

    def _verdict_of(self, error: Exception) -> Verdict:
        """Tell what an error means, also one of ours."""
        if isinstance(error, CorruptSessionError):
            return Verdict.DATA
        return self._verdict(error)

    async def _load_one(self, id: str) -> Session | None:
        return next((session for session in await self._load([id]) if session.id == id), None)
