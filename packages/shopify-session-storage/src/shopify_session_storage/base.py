"""What all adapters share: lifecycle, argument checks, grouping, retry and error policy."""

import asyncio
import logging
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import timedelta
from itertools import islice
from typing import Any, ClassVar, Literal, TypeVar

from shopify_session_storage.checks import (
    check_comparison,
    check_lease,
    check_session,
    check_session_id,
    check_session_ids,
    check_shop,
)
from shopify_session_storage.errors import (
    CorruptSessionError,
    SessionStorageError,
    SessionStorageUnavailableError,
)
from shopify_session_storage.grouping import Kind, Lane
from shopify_session_storage.session import Session
from shopify_session_storage.storage import SessionStorage
from shopify_session_storage.stored import copy_session, has_same_tokens, stored_session

OnError = Literal["log", "raise"]

_failures_raised: ContextVar[bool] = ContextVar("failures_raised", default=False)

_A = TypeVar("_A")
_R = TypeVar("_R")


class BaseSessionStorage(SessionStorage):
    """Base of the storages that talk to a backend.

    An adapter declares its driver's errors and implements four hooks on data, each for many
    sessions at once, plus ``_open`` and ``_close``; all of them raise the driver's errors as they
    come. This class checks arguments before anything is sent, opens on first use, lets calls that
    have to wait travel together, repeats a call once after a lost connection, and applies the
    error policy.

    Hooks see only checked arguments, never an empty sequence, no id twice, and sessions that are
    copies of their own, sorted by id, without user data if they are offline and with some if they
    are online.

    Attributes:
        backend: Name of the backend, as in the logger ``shopify_session_storage.<backend>``.
        driver_errors: Everything that the driver raises on a failure.
        connection_errors: Those that mean a lost connection; the call is repeated once.
        data_errors: Those that can be the fault of one session in a group; the group is repeated
            one by one. They are not failures of the backend.
        max_groups: How many groups of one kind may be under way at once.
        max_write_groups: The same for stores and deletes; None for as many.
        max_group_items: How many ids or sessions one call of a hook gets at most.
        max_group_shops: How many shops one call of a hook gets at most; each may have many
            sessions.
        max_group_bytes: How many bytes of text the sessions of one group have at most; ``_open``
            may set it to what the backend takes.

    Args:
        on_error: What to do when the backend fails. ``"log"``: log it at ERROR and return False,
            None or an empty list. ``"raise"``: raise a :class:`SessionStorageError` with the
            driver's error as its cause.
    """

    backend: ClassVar[str]
    driver_errors: ClassVar[tuple[type[Exception], ...]] = ()
    connection_errors: ClassVar[tuple[type[Exception], ...]] = ()
    data_errors: ClassVar[tuple[type[Exception], ...]] = ()
    max_groups: ClassVar[int] = 2
    max_write_groups: ClassVar[int | None] = None
    max_group_items: ClassVar[int] = 500
    max_group_shops: ClassVar[int] = 32
    max_group_bytes: int = 1_000_000

    def __init__(self, *, on_error: OnError = "log") -> None:
        if on_error not in ("log", "raise"):
            raise ValueError(f'on_error must be "log" or "raise", not {on_error!r}')
        self._on_error = on_error
        self._logger = logging.getLogger(f"shopify_session_storage.{self.backend}")
        self._failures: tuple[type[Exception], ...] = (SessionStorageError, *self.driver_errors)
        self._loads = Kind(self._send_loads, share=copy_session)
        self._finds = Kind(self._send_finds, share=_copy_sessions)
        self._stores = Kind(self._send_stores)
        self._deletes = Kind(self._send_deletes)
        self._comparisons = Kind(self._send_comparison, alone=True)
        self._acquisitions = Kind(self._send_acquisition, alone=True)
        self._releases = Kind(self._send_release, alone=True)
        self._pings = Kind(self._send_pings)
        # The loop on which the storage is open, None while it is not.
        self._open_on: asyncio.AbstractEventLoop | None = None
        self._opening: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loading: Lane
        self._finding: Lane
        self._writing: Lane
        self._leasing: Lane
        self._pinging: Lane

    # --- hooks of the adapter ---------------------------------------------------------------

    @abstractmethod
    async def _open(self) -> None:
        """Connect, create and migrate. If it fails, ``_close`` is called."""

    @abstractmethod
    async def _close(self) -> None:
        """Release what ``_open`` created, all or part of it, but nothing that was passed in."""

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

        No other write of the same session by this storage is under way meanwhile, which is all
        that this default knows. An adapter that overrides it with one atomic step of the backend
        sets ``conditional_writes = "backend"``.
        """
        if not has_same_tokens(await self._load_one(session.id), expected):
            return False
        await self._store([session])
        return True

    async def _acquire_lease(self, name: str, holder: str, milliseconds: int) -> bool:
        """Take or renew a lease, and tell whether *holder* has it.

        The default keeps leases in this object. An adapter that overrides it, and
        :meth:`_release_lease`, sets ``leases = "backend"``.
        """
        return self._process_locks().acquire_lease(name, holder, milliseconds)

    async def _release_lease(self, name: str, holder: str) -> None:
        """Give up a lease if *holder* has it."""
        self._process_locks().release_lease(name, holder)

    async def _ping(self) -> None:
        """Ask the backend for a sign of life."""

    async def _recover(self) -> None:
        """Prepare the second try after a lost connection, if the driver does not by itself."""

    def _abandon(self) -> None:
        """Let go of what ``_open`` created on an event loop that has ended since."""

    def _describe(self, error: Exception) -> str:
        """Describe a driver's error in words that hold no stored value."""
        return type(error).__name__

    def _scrub(self, error: Exception) -> None:
        """Remove stored values from a driver's error, which becomes the cause of ours."""

    # --- the interface ----------------------------------------------------------------------

    async def store_session(self, session: Session) -> bool:
        size = check_session(session)
        session = stored_session(session)
        try:
            await self._opened()
            await self._writing.call(self._stores, {session.id: session}, size)
        except self._failures as error:
            self._fail(f"store session {session.id!r}", error)
            return False
        return True

    async def load_session(self, id: str) -> Session | None:
        check_session_id(id)
        try:
            await self._opened()
            found = await self._loading.call(self._loads, {id: None})
        except self._failures as error:
            self._fail(f"load session {id!r}", error)
            return None
        return found.get(id)

    async def delete_session(self, id: str) -> bool:
        check_session_id(id)
        return await self._delete_checked([id], f"delete session {id!r}")

    async def delete_sessions(self, ids: Iterable[str]) -> bool:
        unique = check_session_ids(ids)
        return not unique or await self._delete_checked(unique, f"delete {len(unique)} sessions")

    async def _delete_checked(self, ids: list[str], doing: str) -> bool:
        try:
            await self._opened()
            await self._writing.call(self._deletes, dict.fromkeys(ids))
        except self._failures as error:
            self._fail(doing, error)
            return False
        return True

    async def find_sessions_by_shop(self, shop: str) -> list[Session]:
        check_shop(shop)
        try:
            await self._opened()
            found = await self._finding.call(self._finds, {shop: None})
        except self._failures as error:
            self._fail(f"find the sessions of shop {shop!r}", error)
            return []
        sessions: list[Session] = found[shop]
        return sessions

    async def compare_and_store(self, session: Session, expected: Session | None) -> bool:
        size = check_comparison(session, expected)
        session = stored_session(session)
        expected = None if expected is None else copy_session(expected)
        with self._raising(f"compare and store session {session.id!r}"):
            await self._opened()
            values = {session.id: (session, expected)}
            results = await self._writing.call(self._comparisons, values, size)
        stored: bool = results[session.id]
        return stored

    async def acquire_lease(self, name: str, holder: str, ttl: timedelta) -> bool:
        milliseconds = check_lease(name, holder, ttl)
        with self._raising(f"acquire lease {name!r}"):
            await self._opened()
            results = await self._leasing.call(self._acquisitions, {name: (holder, milliseconds)})
        acquired: bool = results[name]
        return acquired

    async def release_lease(self, name: str, holder: str) -> None:
        check_lease(name, holder)
        with self._raising(f"release lease {name!r}"):
            await self._opened()
            await self._leasing.call(self._releases, {name: holder})

    async def ready(self) -> None:
        """Connect, create and migrate what is needed, and see that the backend answers.

        Raises:
            SessionStorageError: If that fails, with the driver's error as the cause, whatever
                ``on_error`` says.
        """
        with self._raising("get ready"):
            await self._opened()
            await self._pinging.call(self._pings, {"": None})

    async def disconnect(self) -> None:
        loop = asyncio.get_running_loop()
        if self._opening is None and self._closing is None:
            return
        if self._loop is not loop:
            self._leave_old_loop()
            return
        if self._closing is None:
            self._closing = loop.create_task(self._shut_down())
        await asyncio.shield(self._closing)

    # --- lifecycle --------------------------------------------------------------------------

    async def _opened(self) -> None:
        """Open unless it is open. All who arrive meanwhile wait for the same attempt.

        It is a task of its own, so that a cancelled caller does not end it for the others.
        """
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._leave_old_loop()
            self._loop = loop
        while self._open_on is not loop:
            if self._closing is not None:
                await asyncio.shield(self._closing)
            else:
                if self._opening is None:
                    self._opening = loop.create_task(self._start_up(loop))
                    # All who wait for it may be cancelled before it fails.
                    self._opening.add_done_callback(_retrieve_exception)
                await asyncio.shield(self._opening)

    async def _start_up(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            try:
                await self._open()
            except BaseException:
                await self._close_quietly()
                raise
        except BaseException:
            self._opening = None  # the next call tries again
            raise
        self._loading = self._lane(ordered=False)
        self._finding = self._lane(ordered=False, items=self.max_group_shops)
        self._writing = self._lane(ordered=True)
        self._leasing = self._lane(ordered=True)
        self._pinging = self._lane(ordered=False)
        self._open_on = loop

    async def _shut_down(self) -> None:
        opening = self._opening
        try:
            if opening is not None:
                await asyncio.wait([opening])
            if self._open_on is not None:
                self._open_on = None
                lanes = (self._loading, self._finding, self._writing, self._leasing, self._pinging)
                for lane in lanes:
                    await lane.drain()
                await self._close_quietly()
        finally:
            self._opening = self._closing = None

    async def _close_quietly(self) -> None:
        # Nobody can act on a failure to close, and it must not hide the error that led here.
        try:
            await self._close()
        except self._failures as error:
            self._logger.warning("%s", self._failure("close the storage cleanly", error))

    def _leave_old_loop(self) -> None:
        if self._loop is not None and (self._opening or self._closing):
            if self._loop.is_running():
                raise RuntimeError(
                    f"{type(self).__name__} is open on another running event loop; "
                    "make one storage for each event loop"
                )
            self._abandon()
        self._open_on = self._opening = self._closing = self._loop = None

    def _lane(self, *, ordered: bool, items: int | None = None) -> Lane:
        return Lane(
            groups=(self.max_write_groups if ordered else None) or self.max_groups,
            items=items or self.max_group_items,
            size=self.max_group_bytes,
            ordered=ordered,
            isolate=(CorruptSessionError, *self.data_errors),
        )

    # --- groups -----------------------------------------------------------------------------

    async def _send_loads(self, values: Mapping[str, None]) -> Mapping[str, Session]:
        sessions = await self._attempt(self._load, list(values))
        # By the id in the row, never by position: nobody can get another shop's token.
        return {session.id: session for session in sessions}

    async def _send_finds(self, values: Mapping[str, None]) -> Mapping[str, list[Session]]:
        sessions: dict[str, list[Session]] = {shop: [] for shop in values}
        for session in await self._attempt(self._find, list(values)):
            if session.shop in sessions:  # compared exactly, whatever the backend does
                sessions[session.shop].append(session)
        return sessions

    async def _send_stores(self, values: Mapping[str, Session]) -> Mapping[str, None]:
        # Sorted, so that two processes never lock the same rows in opposite orders.
        await self._attempt(self._store, [values[id] for id in sorted(values)])
        return {}

    async def _send_deletes(self, values: Mapping[str, None]) -> Mapping[str, None]:
        # One call may have more ids than a group; it keeps its place until all are deleted.
        remaining = iter(sorted(values))
        while ids := list(islice(remaining, self.max_group_items)):
            await self._attempt(self._delete, ids)
        return {}

    async def _send_comparison(
        self, values: Mapping[str, tuple[Session, Session | None]]
    ) -> Mapping[str, bool]:
        ((id, pair),) = values.items()
        return {id: await self._attempt(self._compare, pair, again=self._compare_again)}

    async def _compare(self, pair: tuple[Session, Session | None]) -> bool:
        return await self._compare_and_store(*pair)

    async def _compare_again(self, pair: tuple[Session, Session | None]) -> bool:
        session, _ = pair
        # The first try may have taken effect before its connection was lost.
        return await self._compare(pair) or has_same_tokens(
            await self._load_one(session.id), session
        )

    async def _load_one(self, id: str) -> Session | None:
        return next((session for session in await self._load([id]) if session.id == id), None)

    async def _send_acquisition(self, values: Mapping[str, tuple[str, int]]) -> Mapping[str, bool]:
        ((name, lease),) = values.items()
        return {name: await self._attempt(lambda _: self._acquire_lease(name, *lease), None)}

    async def _send_release(self, values: Mapping[str, str]) -> Mapping[str, None]:
        ((name, holder),) = values.items()
        await self._attempt(lambda _: self._release_lease(name, holder), None)
        return {}

    async def _send_pings(self, values: Mapping[str, None]) -> Mapping[str, None]:
        await self._attempt(lambda _: self._ping(), None)
        return {}

    # --- failures ---------------------------------------------------------------------------

    async def _attempt(
        self,
        hook: Callable[[_A], Awaitable[_R]],
        argument: _A,
        *,
        again: Callable[[_A], Awaitable[_R]] | None = None,
    ) -> _R:
        """Call a hook, and once more if its connection was lost: all hooks are idempotent.

        *again* is called the second time in place of a hook that is not.
        """
        try:
            return await hook(argument)
        except self.connection_errors as error:
            self._logger.info("connection lost (%s); trying again", self._describe(error))
        # Not inside the handler: that error would become the context of the next one, unscrubbed.
        await self._recover()
        return await (again or hook)(argument)

    @contextmanager
    def _raising(self, doing: str) -> Iterator[None]:
        """Raise failures, whatever ``on_error`` says."""
        try:
            yield
        except self._failures as error:
            raise self._failure(doing, error) from cause_of(error)

    def _fail(self, doing: str, error: Exception) -> None:
        failure = self._failure(doing, error)
        if self._on_error == "raise" or _failures_raised.get():
            raise failure from cause_of(error)
        self._logger.error("%s", failure)

    def _failure(self, doing: str, error: Exception) -> SessionStorageError:
        if isinstance(error, SessionStorageError):
            return error
        self._scrub(error)
        kind = (
            SessionStorageError
            if isinstance(error, self.data_errors)
            else SessionStorageUnavailableError
        )
        return kind(f"{self.backend}: could not {doing}: {self._describe(error)}")


@contextmanager
def failures_raised() -> Iterator[None]:
    """Let storages raise their failures here, whatever ``on_error`` says.

    For calls that must not take an outage for an empty storage. It goes through wrappers and
    overridden methods, and concerns no other task.
    """
    token = _failures_raised.set(True)
    try:
        yield
    finally:
        _failures_raised.reset(token)


async def to_the_end(work: Coroutine[Any, Any, _R]) -> _R:
    """Await *work*, which goes on if the caller is cancelled, and is waited for all the same.

    What has been sent may reach the server after its connection has been dropped, and then after
    the next write of the same session, too.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # nobody else hears of it
        raise


def _retrieve_exception(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()


def cause_of(error: Exception) -> BaseException | None:
    """Return what becomes the cause of the error that callers get for *error*."""
    return error.__cause__ if isinstance(error, SessionStorageError) else error


def _copy_sessions(sessions: list[Session]) -> list[Session]:
    return [copy_session(session) for session in sessions]
