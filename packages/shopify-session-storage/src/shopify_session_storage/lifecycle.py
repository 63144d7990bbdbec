"""From the first use of a storage to its end: on one event loop of one process at a time.

A storage opens on first use, for as long as its event loop runs, and opens again on the next one.
A second event loop that runs at the same time, in another thread, is refused; in a forked child
the storage opens anew, and leaves what it has inherited to its parent.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any, Final, Generic, Protocol, TypeVar

from shopify_session_storage.failures import hide_locals
from shopify_session_storage.forking import mutex, this_process
from shopify_session_storage.waiting import result_of

_O = TypeVar("_O")
_R = TypeVar("_R")
_O_co = TypeVar("_O_co", covariant=True)

# How long closing may take before what is left is dropped.
_CLOSE_SECONDS: Final = 10.0

# What belongs to the parent of a forked process. It must not be finalized here: closing a
# connection properly would end it for the parent, too.
_LEFT_TO_THE_PARENT: Final[list[object]] = []


class Openable(Protocol[_O_co]):
    """What a storage does in the course of its life."""

    async def _open(self) -> None: ...

    def _opened_state(self) -> _O_co: ...

    async def _drain(self) -> None: ...

    async def _close_quietly(self, seconds: float) -> None: ...

    def _abandon(self) -> None: ...

    def _forget(self) -> None: ...


class _Life:
    """A storage on one event loop of one process.

    Attributes:
        ended: Makes way for it: what is left of the life before it, on an event loop that has
            ended or in the parent process, is let go of.
        opening: Opens; there is one while it is open, too.
        closing: Closes, or does something else in the meantime.
        is_open: Whether it can be used.
    """

    def __init__(self, ended: Callable[[], None] | None) -> None:
        self.loop = asyncio.get_running_loop()
        self.thread = threading.current_thread()
        self.process = this_process()
        self.ended = ended
        self.opening: asyncio.Task[None] | None = None
        self.closing: asyncio.Task[Any] | None = None
        self.is_open = False

    def is_here(self) -> bool:
        return self.loop is asyncio.get_running_loop() and self.process is this_process()

    def is_over(self) -> bool:
        """Tell whether nothing can happen on its event loop any more."""
        if self.loop.is_closed():
            return True
        if self.thread is threading.current_thread():
            return not self.loop.is_running()
        # Between two moments of asyncio.run() a loop does not run either, and goes on.
        return not self.thread.is_alive()


class Lifecycle(Generic[_O]):
    """Opens and closes a storage.

    Args:
        storage: The storage.
    """

    def __init__(self, storage: Openable[_O]) -> None:
        self._storage = storage
        self._life: _Life | None = None
        self._state: _O

    def now(self) -> _O | None:
        """Return the state if the storage is open here, as nearly always."""
        life = self._life
        return self._state if life is not None and life.is_open and life.is_here() else None

    async def opened(self) -> _O:
        """Return the state of the open storage, after opening it if need be.

        All who arrive meanwhile wait for the same attempt. It is a task of its own, so that a
        cancelled caller does not end it for the others.

        Raises:
            RuntimeError: If the storage is in use on another running event loop.
        """
        if (state := self.now()) is not None:
            return state
        while True:
            life = self._here()
            if life.closing is not None:
                await result_of(life.closing)
            elif life.is_open:
                return self._state
            else:
                opening = life.opening
                if opening is None:
                    opening = _task(self._start_up(life))
                    # An eager task may have failed by now, and the next call tries again.
                    if self.now() is not None or not opening.done():
                        life.opening = opening
                await result_of(opening)

    def is_opening(self) -> bool:
        """Tell whether the storage is open on this event loop, or about to be."""
        life = self._life
        return life is not None and life.is_here() and life.opening is not None

    async def instead(self, work: Callable[[], Awaitable[_R]]) -> _R:
        """Do *work*, which opens and closes by itself, while the storage is not open."""
        while (life := self._here()).closing is not None:
            await result_of(life.closing)
        task: asyncio.Task[_R] = _task(self._do_instead(life, work))
        if not task.done():  # as an eager one may be
            life.closing = task
        return await result_of(task)

    async def closed(self) -> None:
        """Close the storage, if it is open on this event loop, when all calls have ended."""
        if self._life is None:
            return
        life = self._here()
        if life.ended is not None and life.opening is None:
            self._make_way(life)
        if life.opening is None and life.closing is None:
            return
        if life.closing is None:
            life.closing = _task(self._shut_down(life))
        await result_of(life.closing)

    def _here(self) -> _Life:
        """Return the life on this event loop, a new one if need be.

        Raises:
            RuntimeError: If another one goes on.
        """
        with mutex():
            life = self._life
            if life is not None and life.is_here():
                return life
            ended = None
            if life is not None:
                if life.process is not this_process():
                    ended = self._leave_to_the_parent
                elif life.is_over():
                    was_open = life.opening is not None or life.closing is not None
                    ended = self._storage._abandon if was_open else None
                else:
                    raise RuntimeError(
                        f"{type(self._storage).__name__} is in use on another running event loop; "
                        "make one storage for each event loop, or share one among threads with "
                        "shopify_session_storage.sync"
                    )
            life = self._life = _Life(ended)
            return life

    def _make_way(self, life: _Life) -> None:
        ended, life.ended = life.ended, None
        if ended is not None:
            ended()

    def _leave_to_the_parent(self) -> None:
        _LEFT_TO_THE_PARENT.append(dict(vars(self._storage)))
        self._storage._forget()

    async def _start_up(self, life: _Life) -> None:
        storage = self._storage
        try:
            self._make_way(life)
            try:
                await storage._open()
            except BaseException as error:
                hide_locals(error)
                # If its event loop was stopped and another one has taken over, what there is now
                # is not ours to close.
                if self._life is life:
                    await storage._close_quietly(_CLOSE_SECONDS)
                raise
            self._state = storage._opened_state()
        except BaseException:
            life.opening = None  # the next call tries again
            raise
        life.is_open = True

    async def _shut_down(self, life: _Life) -> None:
        storage = self._storage
        try:
            if life.opening is not None:
                await asyncio.wait([life.opening])
            if life.is_open:
                life.is_open = False
                try:
                    await storage._drain()
                    await storage._close_quietly(_CLOSE_SECONDS)
                except asyncio.CancelledError:
                    storage._abandon()
                    raise
        finally:
            if self._life is life:
                self._life = None

    async def _do_instead(self, life: _Life, work: Callable[[], Awaitable[_R]]) -> _R:
        try:
            self._make_way(life)
            return await work()
        finally:
            life.closing = None


def _task(work: Any) -> asyncio.Task[Any]:
    """Start a task that belongs to no caller."""
    task: asyncio.Task[Any] = Context().run(asyncio.get_running_loop().create_task, work)
    # All who wait for it may be cancelled before it fails.
    task.add_done_callback(_retrieve_exception)
    return task


def _retrieve_exception(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
