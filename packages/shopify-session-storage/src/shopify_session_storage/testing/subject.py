"""The storage that a case tests, and how a case cleans up."""

import asyncio
import inspect
import os
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, Protocol

from shopify_session_storage.errors import SessionStorageError
from shopify_session_storage.session import Session
from shopify_session_storage.storage import SessionStorage
from shopify_session_storage.testing.assertions import equal, same, true, within
from shopify_session_storage.testing.case import Case, Need
from shopify_session_storage.testing.differences import Difference
from shopify_session_storage.testing.sessions import unique

StorageFactory = Callable[[], SessionStorage | Awaitable[SessionStorage]]
FailingStorageFactory = Callable[
    [Literal["log", "raise"]], SessionStorage | Awaitable[SessionStorage]
]

CASE_TIMEOUT: Final = 60.0
"""How long a case may take if nobody says otherwise, in seconds."""

# The argument that gives what a case needs.
_ARGUMENTS: Final[dict[Need, str]] = {
    "further": "storage_factory",
    "failing": "failing_storage_factory",
    "breakable": "breakable",
}


@dataclass(frozen=True)
class Missing:
    """Something that a case needs and that is missing.

    Attributes:
        why: Why the case cannot run.
        may_be_given: Whether the caller of the battery can supply it by an argument.
    """

    why: str
    may_be_given: bool


class Breakable(Protocol):
    """A backend that a test can make unreachable for open storages, and reachable again."""

    def make(self, on_error: Literal["log", "raise"]) -> SessionStorage | Awaitable[SessionStorage]:
        """Make a storage on this backend."""

    def away(self) -> AbstractAsyncContextManager[object]:
        """Make the backend unreachable for as long as the context lasts.

        Connections to it are cut at once and new ones are refused. Afterwards the backend is back,
        with all that was stored.
        """


class Subject:
    """The storage under test, and what else cases need.

    Args:
        storage: The storage under test.
        storage_factory: Makes another storage on the same backend.
        failing_storage_factory: Makes a storage whose backend cannot be reached.
        breakable: A backend that can be taken away.
        eventual_seconds: How many seconds may pass until finds see a change.
        case_timeout: How long a case may take, in seconds; cleaning up may take as long again.
        owned: Whether to disconnect the storage after the case.
        layout_allows: What the table of the storage cannot hold.
    """

    def __init__(
        self,
        storage: SessionStorage,
        *,
        storage_factory: StorageFactory | None = None,
        failing_storage_factory: FailingStorageFactory | None = None,
        breakable: Breakable | None = None,
        eventual_seconds: float = 0.0,
        case_timeout: float = CASE_TIMEOUT,
        owned: bool = False,
        layout_allows: Collection[Difference] = (),
    ) -> None:
        self.storage = storage
        self._layout_allows = layout_allows
        self._stored: dict[str, Session] = {}
        self._refused: set[str] = set()
        self._storage_factory = storage_factory
        self._failing_storage_factory = failing_storage_factory
        self._breakable = breakable
        self._eventual_seconds = eventual_seconds
        self._case_timeout = case_timeout
        self._shops: list[str] = []
        self._storing = [storage]
        self._owned = [storage] if owned else []

    def missing(self, case: Case) -> Missing | None:
        """Return what *case* needs and is missing, or None."""
        there: dict[Need, object] = {
            "further": self._storage_factory,
            "failing": self._failing_storage_factory,
            "breakable": self._breakable,
            "processes": getattr(os, "fork", None),
            "conditional_writes": self.storage.conditional_writes == "backend" or None,
            "leases": self.storage.leases == "backend" or None,
            "scanning": _can_be_walked_through(self.storage) or None,
        }
        for need in case.needs:
            if need not in there or there[need] is not None:
                continue
            if need in _ARGUMENTS:
                return Missing(f"no {_ARGUMENTS[need]} was given", may_be_given=True)
            if need == "processes":
                return Missing("this platform does not fork", may_be_given=False)
            if need == "scanning":
                return Missing("the storage cannot be walked through", may_be_given=False)
            return Missing(f"{need} are not the backend's", may_be_given=False)
        return None

    def shop(self, prefix: str = "shop") -> str:
        """Return a shop that no other test uses. Its sessions are deleted after the case."""
        shop = f"{unique(prefix)}.myshopify.com"
        self._shops.append(shop)
        return shop

    def clean(self, shop: str) -> str:
        """Also delete the sessions of this shop after the case."""
        self._shops.append(shop)
        return shop

    async def further(self) -> SessionStorage:
        """Make another storage on the same backend; it is disconnected after the case."""
        assert self._storage_factory is not None
        return self._own(await made_by(self._storage_factory))

    async def failing(self, on_error: Literal["log", "raise"]) -> SessionStorage:
        """Make a storage whose backend cannot be reached."""
        assert self._failing_storage_factory is not None
        return self._own(await made_by(partial(self._failing_storage_factory, on_error)))

    async def breakable(self, on_error: Literal["log", "raise"]) -> SessionStorage:
        """Make a storage on the backend that can be made unreachable."""
        assert self._breakable is not None
        storage = self._own(await made_by(partial(self._breakable.make, on_error)))
        self._storing.append(storage)
        return storage

    def away(self) -> AbstractAsyncContextManager[object]:
        """Make that backend unreachable for as long as the context lasts."""
        assert self._breakable is not None
        return self._breakable.away()

    def _own(self, storage: SessionStorage) -> SessionStorage:
        if storage not in (self.storage, *self._owned):  # a factory may give one many times
            self._owned.append(storage)
        return storage

    def kept(self, session: Session) -> Session:
        """Return the session as it comes back: changed, where the layout may change it."""
        for difference in self._layout_allows:
            if difference.kept is not None:
                session = difference.kept(session)
        return session

    async def stores(self, *sessions: Session) -> None:
        """Store sessions, one after the other."""
        for session in sessions:
            if await self._is_refused(session):
                self._refused.add(session.id)
                continue
            self._refused.discard(session.id)
            self._stored[session.id] = session

    async def _is_refused(self, session: Session) -> bool:
        """Store a session, and tell whether it was refused, if it may be."""
        what = f"store_session({session.id!r})"
        stored = self._stored.values()
        if not any(one.concerns(session, stored) for one in self._layout_allows):
            same(await self.storage.store_session(session), True, what)
            return False
        try:
            result = await self.storage.store_session(session)
        except SessionStorageError:
            return True
        true(isinstance(result, bool), f"{what} returned {result!r}")
        return not result

    async def loads(self, *sessions: Session, by: SessionStorage | None = None) -> None:
        """Load each session and compare it with what was stored."""
        for session in sessions:
            loaded = await (by or self.storage).load_session(session.id)
            what = f"load_session({session.id!r})"
            if session.id in self._refused:
                same(loaded, None, f"{what}, which was refused")
            else:
                equal(loaded, self.kept(session), what)

    async def finds(
        self, shop: str, sessions: Iterable[Session], by: SessionStorage | None = None
    ) -> list[Session]:
        """Find the sessions of a shop, and compare them with what was stored, in any order."""
        expected = {
            session.id: self.kept(session)
            for session in sessions
            if session.id not in self._refused
        }
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

    async def scans(self, sessions: Iterable[Session], *, batch: int = 500) -> None:
        """Walk through the storage, and compare those of these sessions that are seen."""
        expected = {session.id: self.kept(session) for session in sessions}
        deadline = time.monotonic() + self._eventual_seconds
        while True:
            seen: set[str] = set()
            async for page in self.storage.scan_sessions(batch=batch):
                same([id for id in page.corrupt if id in expected], [], "what cannot be read")
                for session in page.sessions:
                    if session.id in expected:
                        seen.add(session.id)
                        equal(session, expected[session.id], f"scan_sessions(batch={batch})")
            missed = sorted(set(expected) - seen)
            if not missed or time.monotonic() >= deadline:
                same(missed, [], f"what scan_sessions(batch={batch}) has not seen")
                return
            await asyncio.sleep(0.05)

    async def run(self, case: Case) -> None:
        """Run a case and clean up after it. A failure has the case's name and promise as a note."""
        try:
            try:
                await within(self._case_timeout, case.run(self))
            except Exception:
                # Cleaning up may fail for the same reason, which then says less.
                with suppress(Exception):
                    await within(self._case_timeout, self.clean_up())
                raise
            await within(self._case_timeout, self.clean_up())
        except Exception as error:
            error.add_note(f"case {case.name}: {case.promise}")
            raise

    async def clean_up(self) -> None:
        """Delete what the case stored, and disconnect what it made."""
        try:
            for storage in self._storing:
                for shop in self._shops:
                    found = await storage.find_sessions_by_shop(shop)
                    await storage.delete_sessions([session.id for session in found])
        finally:
            for storage in self._owned:
                await storage.disconnect()


def _can_be_walked_through(storage: SessionStorage) -> bool:
    try:
        storage.scan_sessions()
    except NotImplementedError:
        return False
    return True


async def made_by(factory: StorageFactory) -> SessionStorage:
    """Call a factory, plain or async."""
    made = factory()
    return await made if inspect.isawaitable(made) else made
