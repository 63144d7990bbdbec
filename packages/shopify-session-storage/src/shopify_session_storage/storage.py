"""The interface of every session storage."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from shopify_session_storage.checks import (
    check_comparison,
    check_expected,
    check_lease,
    check_session,
)
from shopify_session_storage.errors import SessionStorageUnavailableError
from shopify_session_storage.pages import SessionPage
from shopify_session_storage.process import ProcessLocks, locks_of
from shopify_session_storage.session import Session
from shopify_session_storage.stored import has_same_tokens

if TYPE_CHECKING:  # it builds on this module
    from shopify_session_storage.retention import PurgeReport

Level = Literal["backend", "process"]


class SessionStorage(ABC):
    """Keeps the sessions of a Shopify app.

    A storage implements the five abstract methods; the others have working defaults. Adapters for
    a database should extend :class:`BaseSessionStorage`, which adds argument checks, connection
    handling, error policy and grouping.

    Every method raises TypeError or ValueError for arguments that no backend accepts, before
    anything is sent.

    Attributes:
        conditional_writes: Whether :meth:`compare_and_store` and :meth:`compare_and_delete` are
            atomic steps of the ``"backend"``, for all processes, or atomic among the calls of
            this object, in this ``"process"``.
        leases: Whether leases are kept by the ``"backend"``, for all processes, or by this object,
            in this ``"process"``. Leases of this process do not stop other processes. If several
            processes then refresh the same token at once, a shop can be lost, although every write
            is compared.
    """

    conditional_writes: Level = "process"
    leases: Level = "process"

    @abstractmethod
    async def store_session(self, session: Session) -> bool:
        """Store *session* under its id, in place of what was stored there, as a whole.

        A field that is None is absent afterwards, whatever was stored before.

        Returns:
            True if it is stored; False if the backend failed and the storage logs failures.

        Raises:
            TypeError: If *session* is not a Session or has a field of the wrong type.
            InvalidSessionError: If the session is not storable (see :func:`check_session`).
            SessionStorageError: If the backend failed and the storage raises failures.
        """

    @abstractmethod
    async def load_session(self, id: str) -> Session | None:
        """Return the session that is stored under *id*, or None.

        With ``on_error="log"`` None also means that the backend failed, so an app that sends
        users without a session to authenticate again does so during an outage; use
        ``on_error="raise"`` to tell the two apart.

        Raises:
            TypeError: If *id* is not a str.
            ValueError: If it cannot be a session's id.
            SessionStorageError: If the backend failed and the storage raises failures.
        """

    @abstractmethod
    async def delete_session(self, id: str) -> bool:
        """Delete what is stored under *id*.

        Returns:
            True if nothing is stored there any more, also if nothing was; False if the backend
            failed and the storage logs failures.

        Raises:
            TypeError: If *id* is not a str.
            ValueError: If it cannot be a session's id.
            SessionStorageError: If the backend failed and the storage raises failures.
        """

    @abstractmethod
    async def delete_sessions(self, ids: Iterable[str]) -> bool:
        """Delete what is stored under each of *ids*, in any number, also none.

        Returns:
            As :meth:`delete_session`. If it is False, some may be deleted and others not.

        Raises:
            TypeError: If *ids* is a str or does not hold str.
            ValueError: If one of them cannot be a session's id; then nothing is deleted.
            SessionStorageError: If the backend failed and the storage raises failures.
        """

    @abstractmethod
    async def find_sessions_by_shop(self, shop: str) -> list[Session]:
        """Return every session of *shop* (the full domain, compared exactly), in any order.

        Raises:
            TypeError: If *shop* is not a str.
            ValueError: If it cannot be a session's shop.
            SessionStorageError: If the backend failed and the storage raises failures; one that
                logs them returns an empty list.
        """

    def scan_sessions(
        self, *, after: str | None = None, batch: int = 500
    ) -> AsyncIterator[SessionPage]:
        """Walk through all that is stored, a page at a time, in no particular order.

        A session that is there throughout the walk is seen at least once. One that is stored,
        changed or deleted meanwhile may be seen or not. Only one page is in memory at a time. Pages
        are read by key or by the backend's own cursor.

        Args:
            after: Where to begin: the ``after`` of a page, even from another process; None for the
                beginning.
            batch: About how many sessions a page has, from 1 to 10,000.

        Returns:
            An async iterator of pages. The last one has no ``after``.

        Raises:
            NotImplementedError: If the storage cannot be walked through.
            TypeError: If an argument is of another type.
            ValueError: If *batch* is out of range, or *after* is from another kind of storage.
            SessionStorageError: From the iterator, if the backend failed, whatever ``on_error``
                says: an empty page must mean the end.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot be walked through")

    async def purge_expired(
        self,
        *,
        before: datetime | None = None,
        offline: bool = False,
        batch: int = 500,
        dry_run: bool = False,
    ) -> "PurgeReport":
        """Delete the sessions that nobody can use any more.

        It walks through all sessions with :meth:`scan_sessions`, and deletes with
        :meth:`compare_and_delete`, so a session that is refreshed meanwhile stays. A live refresh
        token is never deleted. If it is interrupted, call it again. It works in steps of at most
        100 sessions, 25 on SQLite, and rests after each step for as long as the step took, so loads
        hardly become slower.

        Args:
            before: Delete what expired before this moment, timezone-aware; None: a day ago.
            offline: Whether to also delete offline sessions whose access token and refresh token
                have both expired, or whose access token has expired and that have no refresh token.
            batch: How many sessions are read and deleted in one step. More than 100 count as 100.
            dry_run: Whether to only count them.

        Returns:
            How many sessions were examined, and deleted.

        Raises:
            NotImplementedError: If the storage cannot be walked through.
            TypeError: If an argument is of another type.
            ValueError: If *before* has no time zone or lies in the future, or *batch* is out of
                range.
            SessionStorageError: If the backend failed, whatever ``on_error`` says.
        """
        from shopify_session_storage.retention import purge_expired

        return await purge_expired(
            self, before=before, offline=offline, batch=batch, dry_run=dry_run
        )

    async def compare_and_store(self, session: Session, expected: Session | None) -> bool:
        """Store *session* only if nobody has changed its tokens since *expected* was read.

        That is, if what is stored under its id has the access token and the refresh token of
        *expected*; None and ``""`` differ. Then *session* replaces it as a whole. If the connection
        is lost, the call is repeated; if the first try took effect after all, the result is True.

        If ``conditional_writes`` is ``"process"``, the session is loaded, compared and stored while
        other calls of this method on this object wait. Other processes and plain stores can come
        between.

        Args:
            session: What to store.
            expected: What must be stored there, of which only the tokens count; None if nothing
                may be stored there.

        Returns:
            True if it is stored; False if somebody else was faster, and nothing is changed.

        Raises:
            TypeError: If an argument is of another type.
            InvalidSessionError: If one of the sessions is not storable, or they have different
                ids.
            SessionStorageError: If the backend failed, whatever ``on_error`` says, since it is
                unknown then whether the session is stored.
        """
        check_comparison(session, expected)
        async with self._process_locks().lock(session.id):
            if not has_same_tokens(await self._load_to_compare(session.id), expected):
                return False
            if not await self.store_session(session):
                raise SessionStorageUnavailableError(
                    f"could not store session {session.id!r} after comparing it"
                )
            return True

    async def compare_and_delete(self, expected: Session) -> bool:
        """Delete what is stored under *expected*'s id only if nobody has changed its tokens since.

        That is, if it has the access token and the refresh token of *expected*; None and ``""``
        differ. Use it where a newer install must stay: when Shopify has refused a token, or when
        you remove old sessions.

        If ``conditional_writes`` is ``"process"``, the session is loaded, compared and deleted
        while other calls of this method and of :meth:`compare_and_store` on this object wait.

        Args:
            expected: What must be stored there, of which only the id and the tokens count.

        Returns:
            True if nothing is stored there any more, also if nothing was; False if it has other
            tokens by now, and nothing is changed.

        Raises:
            TypeError: If *expected* is not a Session or has a field of the wrong type.
            InvalidSessionError: If it is not storable.
            SessionStorageError: If the backend failed, whatever ``on_error`` says, since it is
                unknown then whether the session is deleted.
        """
        check_expected(expected)
        async with self._process_locks().lock(expected.id):
            stored = await self._load_to_compare(expected.id)
            if stored is None:
                return True
            if not has_same_tokens(stored, expected):
                return False
            if not await self.delete_session(expected.id):
                raise SessionStorageUnavailableError(
                    f"could not delete session {expected.id!r} after comparing it"
                )
            return True

    async def _load_to_compare(self, id: str) -> Session | None:
        stored = await self.load_session(id)
        # A storage that logs failures loads nothing, too, when it cannot load.
        if stored is None and not await self.is_ready():
            raise SessionStorageUnavailableError(
                f"could not compare session {id!r}: the storage is not ready"
            )
        return stored

    async def acquire_lease(self, name: str, holder: str, ttl: timedelta) -> bool:
        """Take the lease *name* for *holder*, or renew it. No connection is held meanwhile.

        Args:
            name: What is leased; leases share nothing with sessions of the same name.
            holder: Who takes it, such as a random id for each piece of work.
            ttl: How long it lasts from now, by the backend's clock where it has one; positive,
                in milliseconds, rounded up.

        Returns:
            True if *holder* has the lease now, also if it had it before; False if another holder
            has it, whose time is not over.

        Raises:
            TypeError: If an argument is of another type.
            ValueError: If *name* or *holder* is empty, longer than 255 characters or 500 bytes of
                UTF-8, or has a NUL or a lone surrogate; or if *ttl* is not positive.
            SessionStorageError: If the backend failed, whatever ``on_error`` says.
        """
        return self._process_locks().acquire_lease(name, holder, check_lease(name, holder, ttl))

    async def release_lease(self, name: str, holder: str) -> None:
        """Give up the lease *name*, before its time is over. Does nothing if another has it.

        Raises:
            TypeError: If an argument is not a str.
            ValueError: As :meth:`acquire_lease`.
            SessionStorageError: If the backend failed, whatever ``on_error`` says.
        """
        check_lease(name, holder)
        self._process_locks().release_lease(name, holder)

    def _process_locks(self) -> ProcessLocks:
        return locks_of(self)

    async def check_fits(self, session: Session) -> None:
        """See that *session* can be stored here, without storing it.

        Call it before you ask for tokens that you cannot get a second time.

        Raises:
            TypeError: If *session* is not a Session or has a field of the wrong type.
            InvalidSessionError: If it cannot be stored, here or anywhere.
            SessionStorageError: If the backend could not be asked, whatever ``on_error`` says.
        """
        check_session(session)

    async def ready(self) -> None:
        """Connect, create and migrate what is needed. Calling it is optional and harmless.

        Raises:
            SessionStorageError: If that fails, with the cause.
        """

    async def is_ready(self) -> bool:
        """Tell whether the backend answers. Never raises."""
        try:
            await self.ready()
        except Exception:  # whatever it is, the answer is no
            return False
        return True

    async def disconnect(self) -> None:
        """Close the connections. The storage opens again when it is used again.

        Does nothing if there is nothing to close. Clients and pools that were passed in stay open.
        """

    async def __aenter__(self) -> Self:
        try:
            await self.ready()
        except BaseException:
            await self.disconnect()  # nobody else will: the block is not entered
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.disconnect()
