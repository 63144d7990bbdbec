"""What all adapters share: argument checks, the way to the hooks, and the error policy."""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from typing import Final

from shopify_session_storage.calls import Lanes
from shopify_session_storage.checks import (
    check_comparison,
    check_expected,
    check_lease,
    check_session,
    check_session_id,
    check_session_ids,
    check_shop,
    checked_session,
)
from shopify_session_storage.errors import InvalidSessionError
from shopify_session_storage.events import watching
from shopify_session_storage.failures import OnError
from shopify_session_storage.glance import is_usual_key
from shopify_session_storage.hooks import AdapterHooks
from shopify_session_storage.lifecycle import Lifecycle
from shopify_session_storage.pacing import Pace, step_of
from shopify_session_storage.pages import SessionPage, check_scan
from shopify_session_storage.plain import plain_text
from shopify_session_storage.policy import ErrorPolicy
from shopify_session_storage.retention import PurgeReport
from shopify_session_storage.session import Session
from shopify_session_storage.stored import plain_session, stored_session

DEFAULT_TIMEOUT: Final = timedelta(seconds=10)
"""How long a call may take on every adapter, if nothing else is said."""


class BaseSessionStorage(ErrorPolicy):
    """Base of the storages that talk to a backend.

    This class checks arguments before anything is sent, opens on first use, lets calls that have to
    wait travel together, ends each call within a time limit, repeats a call if its error says that
    it may succeed then, and applies the error policy. An adapter names its driver's errors and
    implements hooks, which let the driver's errors through unchanged.

    Hooks that an adapter must have::

        async def _open(self) -> None
            Connect, create and migrate. If it fails or is cancelled, _close() is called.
        async def _close(self) -> None
            Release what _open() created, all or part of it, but nothing that was passed in.
        async def _ping(self) -> None
            See that the backend answers, in one cheap round trip.
        async def _load(self, ids: Sequence[str]) -> Iterable[Session]
            Return what is stored under the ids, in any order; missing ones are left out.
        async def _store(self, sessions: Sequence[Session]) -> None
            Store each session, replacing it as a whole. Return when all of them are durable.
        async def _delete(self, ids: Sequence[str]) -> None
            Delete what is stored under the ids.
        async def _find(self, shops: Sequence[str]) -> Iterable[Session]
            Return all sessions of each of the shops, each once, in any order.

    Hooks that have a default::

        async def _compare_and_store(self, session: Session, expected: Session | None) -> bool
            Store if the tokens of what is stored are those of expected (None: nothing is stored).
        async def _compare_and_delete(self, expected: Sequence[Session]) -> Iterable[str]
            Delete each that still has expected's tokens; return the ids that have others now.
            The defaults of both read first, and know of the writes of this object alone. With
            atomic steps of the backend in their place, set conditional_writes = "backend".
        async def _scan(self, after: str | None, batch: int) -> SessionPage
            Return a page of all sessions, by key. Without it, scan_sessions() raises.
        async def _drop_dangling(self, after: str | None, batch: int) -> str | None
            Remove from the adapter's own indexes the sessions that are not there any more, a part
            at a time; return where to go on. The default does nothing.
        async def _acquire_lease(self, name: str, holder: str, milliseconds: int) -> bool
        async def _release_lease(self, name: str, holder: str) -> None
            Leases. The default keeps them in this object alone. With leases that the backend keeps,
            set leases = "backend".
        def _misfit(self, session: Session) -> str | None
            Say why the backend, as it is set up, cannot hold a session.
        def _verdict(self, error: Exception) -> Verdict
            Tell what an error of the driver means. The default goes by the classes below.
        async def _recover(self) -> None
            Make sure that the next call gets a fresh connection; do not wait for the backend.
        def _abandon(self) -> None
            Drop what _open() created, without awaiting anything: its event loop has ended.
        def _forget(self) -> None
            Forget what _open() created, without touching it: it belongs to the parent process.
        def _describe(self, error: Exception) -> str
            Describe an error in words that hold no stored value. The default: its class.
        def _scrub(self, error: Exception) -> None
            Remove stored values from an error, which becomes the cause of ours.

    Hooks see only checked arguments, never an empty sequence, no id twice, and sessions that are
    copies of their own, sorted by id, without user data if they are offline and with some if they
    are online. Every hook may be called again after it has failed.

    All calls wait for ``_open()``, and none of them has begun to count its own time. So it looks at
    the backend inside ``async with self._in_time():``, unless the driver sees to it that every
    answer comes in time. Migrations may take longer.

    A hook that is cancelled, by its time limit, must end at once, without waiting for the backend,
    and must not use its connection again: what comes back on it belongs to the cancelled call.
    So must a hook whose error means a lost connection.

    Attributes:
        backend: Name of the backend, as in the logger ``shopify_session_storage.<backend>``.
        driver_errors: Everything that the driver raises on a failure.
        data_errors: Those that one session may cause (:attr:`Verdict.DATA`).
        conflict_errors: Those that another transaction causes (:attr:`Verdict.CONFLICT`).
        denied_errors: Those that the user's rights cause (:attr:`Verdict.DENIED`).
        connection_errors: Those that mean a lost connection (:attr:`Verdict.LOST`). An error of
            several of these kinds is of the one named first here.
        max_groups: How many groups of calls of one kind may be under way at once.
        max_write_groups: The same for stores and deletes; None for as many.
        max_slow_groups: How many more may be under way if as many groups take longer than usual.
        max_group_items: How many ids or sessions one call of a hook gets at most.
        max_group_shops: How many shops one call of a hook gets at most; each may have many
            sessions.
        max_group_bytes: How many bytes of text the sessions of one group have at most; ``_open``
            may set it to what the backend accepts.
        max_step_items: How many sessions a step of long work has at most, such as a purge. Between
            steps it rests.

    Args:
        on_error: What to do when the backend fails. ``"log"``: log it at ERROR and return False,
            None or an empty list. ``"raise"``: raise a :class:`SessionStorageError` with the
            driver's error as its cause.
        timeout: How long a call may take, once the storage is open. Then it fails; whether a
            write took place is unknown.

    Raises:
        TypeError: If *timeout* is not a timedelta.
        ValueError: If *on_error* is something else, or *timeout* is not positive.
    """

    def __init__(self, *, on_error: OnError = "log", timeout: timedelta = DEFAULT_TIMEOUT) -> None:
        super().__init__(on_error, timeout)
        self._lifecycle: Lifecycle[Lanes] = Lifecycle(self)

    async def store_session(self, session: Session) -> bool:
        session, size = checked_session(session)
        with watching(self.backend, "store") as watch:
            try:
                lanes = self._lifecycle.now() or await self._lifecycle.opened()
                misfit = self._misfit(session)
                if misfit is None:
                    values = {session.id: session}
                    await lanes.writing.call(self._stores, values, size, watch=watch)
            except self._failures as error:
                failure = error
            else:
                if misfit is not None:
                    raise InvalidSessionError(misfit)
                return True
            self._fail(watch, f"store session {session.id!r}", failure)
        return False

    async def load_session(self, id: str) -> Session | None:
        if not is_usual_key(id):
            check_session_id(id)
            id = plain_text(id)
        with watching(self.backend, "load") as watch:
            try:
                lanes = self._lifecycle.now() or await self._lifecycle.opened()
                found = await lanes.loading.call(self._loads, {id: None}, watch=watch)
            except self._failures as error:
                failure = error
            else:
                session: Session | None = found.get(id)
                if session is None:
                    watch.came_to("miss")
                return session
            self._fail(watch, f"load session {id!r}", failure)
        return None

    async def delete_session(self, id: str) -> bool:
        check_session_id(id)
        id = plain_text(id)
        return await self._delete_checked([id], f"delete session {id!r}")

    async def delete_sessions(self, ids: Iterable[str]) -> bool:
        unique = check_session_ids(ids)
        return not unique or await self._delete_checked(unique, f"delete {len(unique)} sessions")

    async def _delete_checked(self, ids: list[str], doing: str) -> bool:
        with watching(self.backend, "delete") as watch:
            try:
                lanes = await self._lifecycle.opened()
                await lanes.writing.call(self._deletes, dict.fromkeys(ids), watch=watch)
            except self._failures as error:
                failure = error
            else:
                return True
            self._fail(watch, doing, failure)
        return False

    async def find_sessions_by_shop(self, shop: str) -> list[Session]:
        if not is_usual_key(shop):
            check_shop(shop)
            shop = plain_text(shop)
        with watching(self.backend, "find") as watch:
            try:
                lanes = self._lifecycle.now() or await self._lifecycle.opened()
                found = await lanes.finding.call(self._finds, {shop: None}, watch=watch)
            except self._failures as error:
                failure = error
            else:
                sessions: list[Session] = found[shop]
                if not sessions:
                    watch.came_to("miss")
                return sessions
            self._fail(watch, f"find the sessions of shop {shop!r}", failure)
        return []

    async def compare_and_store(self, session: Session, expected: Session | None) -> bool:
        size = check_comparison(session, expected)
        session = stored_session(session)
        expected = None if expected is None else plain_session(expected)
        doing = f"compare and store session {session.id!r}"
        with self._raising("compare_and_store", doing) as watch:
            lanes = await self._lifecycle.opened()
            if (misfit := self._misfit(session)) is not None:
                raise InvalidSessionError(misfit)
            values = {session.id: (session, expected)}
            results = await lanes.writing.call(self._comparisons, values, size, watch=watch)
            stored: bool = results[session.id]
            if not stored:
                watch.came_to("lost")
        return stored

    async def compare_and_delete(self, expected: Session) -> bool:
        size = check_expected(expected)
        expected = plain_session(expected)
        doing = f"compare and delete session {expected.id!r}"
        with self._raising("compare_and_delete", doing) as watch:
            lanes = await self._lifecycle.opened()
            values = {expected.id: expected}
            results = await lanes.writing.call(self._compared_deletes, values, size, watch=watch)
            deleted: bool = results[expected.id]
            if not deleted:
                watch.came_to("lost")
        return deleted

    def scan_sessions(
        self, *, after: str | None = None, batch: int = 500
    ) -> AsyncIterator[SessionPage]:
        check_scan(after, batch)
        if type(self)._scan is AdapterHooks._scan:
            raise NotImplementedError(f"{type(self).__name__} cannot be walked through")
        return self._pages(after, batch)

    async def _pages(self, after: str | None, batch: int) -> AsyncIterator[SessionPage]:
        while True:
            with self._raising("scan", "walk through the sessions") as watch:
                lanes = await self._lifecycle.opened()
                values = {"": (after, batch)}
                results = await lanes.scanning.call(self._scans, values, watch=watch)
            page: SessionPage = results[""]
            after = page.after  # what the caller does with the page is the caller's
            yield page
            if after is None:
                return

    async def purge_expired(
        self,
        *,
        before: datetime | None = None,
        offline: bool = False,
        batch: int = 500,
        dry_run: bool = False,
    ) -> PurgeReport:
        report = await super().purge_expired(
            before=before, offline=offline, batch=batch, dry_run=dry_run
        )
        if not dry_run and type(self)._drop_dangling is not AdapterHooks._drop_dangling:
            after: str | None = None
            pace = Pace()
            while True:
                with self._raising("purge", "drop what dangles") as watch:
                    lanes = await self._lifecycle.opened()
                    values = {"": (after, step_of(self, batch))}
                    results = await lanes.scanning.call(self._drops, values, watch=watch)
                after = results[""]
                if after is None:
                    break
                await pace.rest()
        return report

    async def acquire_lease(self, name: str, holder: str, ttl: timedelta) -> bool:
        milliseconds = check_lease(name, holder, ttl)
        name, holder = plain_text(name), plain_text(holder)
        with self._raising("acquire_lease", f"acquire lease {name!r}") as watch:
            lanes = await self._lifecycle.opened()
            values = {name: (holder, milliseconds)}
            results = await lanes.leasing.call(self._acquisitions, values, watch=watch)
            acquired: bool = results[name]
            if not acquired:
                watch.came_to("lost")
        return acquired

    async def release_lease(self, name: str, holder: str) -> None:
        check_lease(name, holder)
        name, holder = plain_text(name), plain_text(holder)
        with self._raising("release_lease", f"release lease {name!r}") as watch:
            lanes = await self._lifecycle.opened()
            await lanes.leasing.call(self._releases, {name: holder}, watch=watch)

    async def check_fits(self, session: Session) -> None:
        check_session(session)
        with self._raising("check_fits", "look at the backend"):
            await self._lifecycle.opened()
        if (misfit := self._misfit(stored_session(session))) is not None:
            raise InvalidSessionError(misfit)

    async def ready(self) -> None:
        """Connect, create and migrate what is needed, and see that the backend answers.

        Raises:
            SessionStorageError: If that fails, with the driver's error as the cause, whatever
                ``on_error`` says.
        """
        with self._raising("ready", "get ready") as watch:
            lanes = await self._lifecycle.opened()
            await lanes.pinging.call(self._pings, {"": None}, watch=watch)

    async def disconnect(self) -> None:
        await self._lifecycle.closed()
