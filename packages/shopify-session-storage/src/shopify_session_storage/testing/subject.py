"""The storage that a case tests, and the end of a case: cleaning up."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Literal

from shopify_session_storage.session import Session
from shopify_session_storage.storage import SessionStorage
from shopify_session_storage.testing.assertions import checked, equal, same, true
from shopify_session_storage.testing.case import Case, Need
from shopify_session_storage.testing.sessions import unique

StorageFactory = Callable[[], SessionStorage | Awaitable[SessionStorage]]
FailingStorageFactory = Callable[
    [Literal["log", "raise"]], SessionStorage | Awaitable[SessionStorage]
]


class Subject:
    """The storage under test, and what cases need besides.

    Args:
        storage: The storage under test.
        storage_factory: Makes a further storage on the same backend.
        failing_storage_factory: Makes a storage whose backend cannot be reached.
        eventual_seconds: How long the backend may take until finds see a change.
        owned: Whether to disconnect the storage after the case.
    """

    def __init__(
        self,
        storage: SessionStorage,
        *,
        storage_factory: StorageFactory | None = None,
        failing_storage_factory: FailingStorageFactory | None = None,
        eventual_seconds: float = 0.0,
        owned: bool = False,
    ) -> None:
        self.storage = storage
        self._storage_factory = storage_factory
        self._failing_storage_factory = failing_storage_factory
        self._eventual_seconds = eventual_seconds
        self._shops: list[str] = []
        self._owned = [storage] if owned else []

    def has(self, need: Need) -> bool:
        """Tell whether what a case needs is there."""
        there: dict[Need, object] = {
            "further": self._storage_factory,
            "failing": self._failing_storage_factory,
            "conditional_writes": self.storage.conditional_writes == "backend" or None,
            "leases": self.storage.leases == "backend" or None,
        }
        return need not in there or there[need] is not None

    def shop(self, prefix: str = "shop") -> str:
        """Return a shop that no other test uses. Its sessions are deleted after the case."""
        shop = f"{unique(prefix)}.myshopify.com"
        self._shops.append(shop)
        return shop

    def clean(self, shop: str) -> str:
        """Have the sessions of this shop, too, deleted after the case."""
        self._shops.append(shop)
        return shop

    async def further(self) -> SessionStorage:
        """Make a further storage on the same backend; it is disconnected after the case."""
        assert self._storage_factory is not None
        return self._own(await made_by(self._storage_factory))

    async def failing(self, on_error: Literal["log", "raise"]) -> SessionStorage:
        """Make a storage whose backend cannot be reached."""
        assert self._failing_storage_factory is not None
        made = self._failing_storage_factory(on_error)
        return self._own(await made if inspect.isawaitable(made) else made)

    def _own(self, storage: SessionStorage) -> SessionStorage:
        if storage not in (self.storage, *self._owned):  # a factory may give one many times
            self._owned.append(storage)
        return storage

    async def stores(self, *sessions: Session) -> None:
        """Store sessions, one after the other."""
        for session in sessions:
            result = await self.storage.store_session(session)
            same(result, True, f"store_session({session.id!r})")

    async def loads(self, *sessions: Session, by: SessionStorage | None = None) -> None:
        """Load each session and compare it with what was stored."""
        for session in sessions:
            loaded = await (by or self.storage).load_session(session.id)
            equal(loaded, session, f"load_session({session.id!r})")

    async def finds(
        self, shop: str, sessions: Iterable[Session], by: SessionStorage | None = None
    ) -> list[Session]:
        """Find the sessions of a shop, and compare them with what was stored, in any order."""
        expected = {session.id: session for session in sessions}
        deadline = time.monotonic() + self._eventual_seconds
        while True:
            found = await (by or self.storage).find_sessions_by_shop(shop)
            try:
                what = f"find_sessions_by_shop({shop!r})"
                true(isinstance(found, list), f"{what} returned {type(found).__name__}")
                ids = sorted(session.id for session in found)
                same(ids, sorted(expected), f"the ids of {what}")
                for session in found:
                    equal(session, expected[session.id], what)
            except AssertionError:
                if time.monotonic() >= deadline:
                    raise
                await asyncio.sleep(0.05)
            else:
                return found

    async def run(self, case: Case) -> None:
        """Run a case and clean up after it. A failure has the case's name and promise as a note."""
        try:
            try:
                await checked(case.run(self))
            except Exception:
                # Cleaning up may fail for the same reason, which then says less.
                with suppress(Exception):
                    await checked(self.clean_up())
                raise
            await checked(self.clean_up())
        except Exception as error:
            error.add_note(f"case {case.name}: {case.promise}")
            raise

    async def clean_up(self) -> None:
        """Delete what the case stored, and disconnect what it made."""
        try:
            for shop in self._shops:
                found = await self.storage.find_sessions_by_shop(shop)
                await self.storage.delete_sessions([session.id for session in found])
        finally:
            for storage in self._owned:
                await storage.disconnect()


async def made_by(factory: StorageFactory) -> SessionStorage:
    """Call a factory, plain or async."""
    made = factory()
    return await made if inspect.isawaitable(made) else made
