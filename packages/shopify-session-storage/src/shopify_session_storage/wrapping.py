"""A storage around another one, which does all that the outer one does not do itself."""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta

from shopify_session_storage.pages import SessionPage
from shopify_session_storage.retention import PurgeReport
from shopify_session_storage.session import Session
from shopify_session_storage.storage import Level, SessionStorage


class WrappedSessionStorage(SessionStorage):
    """Passes everything on.

    Attributes:
        wrapped: The storage within.

    Args:
        storage: The storage within.

    Raises:
        TypeError: If it is not a SessionStorage.
    """

    def __init__(self, storage: SessionStorage) -> None:
        if not isinstance(storage, SessionStorage):
            raise TypeError(f"storage must be a SessionStorage, not {type(storage).__name__}")
        self.wrapped = storage

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.wrapped!r})"

    @property
    def conditional_writes(self) -> Level:  # type: ignore[override]  # that of the storage within
        """See :class:`SessionStorage`."""
        return self.wrapped.conditional_writes

    @property
    def leases(self) -> Level:  # type: ignore[override]
        """See :class:`SessionStorage`."""
        return self.wrapped.leases

    async def store_session(self, session: Session) -> bool:
        return await self.wrapped.store_session(session)

    async def load_session(self, id: str) -> Session | None:
        return await self.wrapped.load_session(id)

    async def delete_session(self, id: str) -> bool:
        return await self.wrapped.delete_session(id)

    async def delete_sessions(self, ids: Iterable[str]) -> bool:
        return await self.wrapped.delete_sessions(ids)

    async def find_sessions_by_shop(self, shop: str) -> list[Session]:
        return await self.wrapped.find_sessions_by_shop(shop)

    def scan_sessions(
        self, *, after: str | None = None, batch: int = 500
    ) -> AsyncIterator[SessionPage]:
        return self.wrapped.scan_sessions(after=after, batch=batch)

    async def purge_expired(
        self,
        *,
        before: datetime | None = None,
        offline: bool = False,
        batch: int = 500,
        dry_run: bool = False,
    ) -> PurgeReport:
        return await self.wrapped.purge_expired(
            before=before, offline=offline, batch=batch, dry_run=dry_run
        )

    async def compare_and_store(self, session: Session, expected: Session | None) -> bool:
        return await self.wrapped.compare_and_store(session, expected)

    async def compare_and_delete(self, expected: Session) -> bool:
        return await self.wrapped.compare_and_delete(expected)

    async def acquire_lease(self, name: str, holder: str, ttl: timedelta) -> bool:
        return await self.wrapped.acquire_lease(name, holder, ttl)

    async def release_lease(self, name: str, holder: str) -> None:
        await self.wrapped.release_lease(name, holder)

    async def check_fits(self, session: Session) -> None:
        await self.wrapped.check_fits(session)

    async def ready(self) -> None:
        await self.wrapped.ready()

    async def is_ready(self) -> bool:
        return await self.wrapped.is_ready()

    async def disconnect(self) -> None:
        await self.wrapped.disconnect()
