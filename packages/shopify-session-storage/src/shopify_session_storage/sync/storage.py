"""A session storage whose methods block."""

from collections.abc import Callable, Coroutine, Iterable, Iterator
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar

from shopify_session_storage.pages import SessionPage
from shopify_session_storage.retention import PurgeReport
from shopify_session_storage.session import Session
from shopify_session_storage.storage import Level, SessionStorage
from shopify_session_storage.sync.portal import Portal, portal, seconds_of

_R = TypeVar("_R")


class SyncSessionStorage:
    """A session storage whose methods block, for any number of threads.

    It has the methods of the storage, and they mean the same. Make one when the process starts, for
    instance at module level. It opens on first use, and again in each forked child, and closes when
    the process ends. It has its own connections: what it writes is not part of your database
    transaction, so a rollback does not lose a refreshed token.

    Args:
        storage: The storage. From now on use it only through this object.
        timeout: How long a call may take; None for no limit besides the storage's own.

    Raises:
        TypeError: If an argument is of another type.
        ValueError: If *timeout* is not positive.
        RuntimeError: From every method, in a thread with a running event loop, or if gevent or
            eventlet have replaced Python's threads.
    """

    def __init__(
        self, storage: SessionStorage, *, timeout: timedelta | None = timedelta(seconds=30)
    ) -> None:
        if not isinstance(storage, SessionStorage):
            raise TypeError(f"storage must be a SessionStorage, not {type(storage).__name__}")
        self._storage = storage
        self._seconds = seconds_of(timeout)
        self._portal: Portal | None = None

    def __repr__(self) -> str:
        return f"SyncSessionStorage({self._storage!r})"

    @property
    def wrapped(self) -> SessionStorage:
        """The storage that does the work."""
        return self._storage

    @property
    def conditional_writes(self) -> Level:
        """See :class:`SessionStorage`."""
        return self._storage.conditional_writes

    @property
    def leases(self) -> Level:
        """See :class:`SessionStorage`."""
        return self._storage.leases

    def store_session(self, session: Session) -> bool:
        """See :meth:`SessionStorage.store_session`."""
        return self._run(lambda: self._storage.store_session(session))

    def load_session(self, id: str) -> Session | None:
        """See :meth:`SessionStorage.load_session`."""
        return self._run(lambda: self._storage.load_session(id))

    def delete_session(self, id: str) -> bool:
        """See :meth:`SessionStorage.delete_session`."""
        return self._run(lambda: self._storage.delete_session(id))

    def delete_sessions(self, ids: Iterable[str]) -> bool:
        """See :meth:`SessionStorage.delete_sessions`."""
        return self._run(lambda: self._storage.delete_sessions(ids))

    def find_sessions_by_shop(self, shop: str) -> list[Session]:
        """See :meth:`SessionStorage.find_sessions_by_shop`."""
        return self._run(lambda: self._storage.find_sessions_by_shop(shop))

    def scan_sessions(self, *, after: str | None = None, batch: int = 500) -> Iterator[SessionPage]:
        """See :meth:`SessionStorage.scan_sessions`."""
        pages = self._storage.scan_sessions(after=after, batch=batch)
        return self._here().iterate(pages, self._seconds)

    def purge_expired(
        self,
        *,
        before: datetime | None = None,
        offline: bool = False,
        batch: int = 500,
        dry_run: bool = False,
    ) -> PurgeReport:
        """See :meth:`SessionStorage.purge_expired`. It has no time limit."""
        return self._here().run(
            lambda: self._storage.purge_expired(
                before=before, offline=offline, batch=batch, dry_run=dry_run
            ),
            None,
        )

    def compare_and_store(self, session: Session, expected: Session | None) -> bool:
        """See :meth:`SessionStorage.compare_and_store`."""
        return self._run(lambda: self._storage.compare_and_store(session, expected))

    def compare_and_delete(self, expected: Session) -> bool:
        """See :meth:`SessionStorage.compare_and_delete`."""
        return self._run(lambda: self._storage.compare_and_delete(expected))

    def acquire_lease(self, name: str, holder: str, ttl: timedelta) -> bool:
        """See :meth:`SessionStorage.acquire_lease`."""
        return self._run(lambda: self._storage.acquire_lease(name, holder, ttl))

    def release_lease(self, name: str, holder: str) -> None:
        """See :meth:`SessionStorage.release_lease`."""
        return self._run(lambda: self._storage.release_lease(name, holder))

    def check_fits(self, session: Session) -> None:
        """See :meth:`SessionStorage.check_fits`."""
        self._run(lambda: self._storage.check_fits(session))

    def ready(self) -> None:
        """See :meth:`SessionStorage.ready`."""
        return self._run(lambda: self._storage.ready())

    def is_ready(self) -> bool:
        """See :meth:`SessionStorage.is_ready`."""
        return self._run(lambda: self._storage.is_ready())

    def disconnect(self) -> None:
        """See :meth:`SessionStorage.disconnect`."""
        return self._run(lambda: self._storage.disconnect())

    def __enter__(self) -> Self:
        self.ready()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.disconnect()

    def _run(self, call: Callable[[], Coroutine[Any, Any, _R]]) -> _R:
        return self._here().run(call, self._seconds)

    def _here(self) -> Portal:
        """Return this process's portal, which closes the storage in the end."""
        here = portal()
        if self._portal is not here:
            here.at_exit(self, self._storage.disconnect)
            self._portal = here
        return here
