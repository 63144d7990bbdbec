"""The one event loop of a process, in a thread, and the way there from all other threads."""

import asyncio
import atexit
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from contextvars import Context, copy_context
from datetime import timedelta
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary, finalize

from shopify_session_storage.errors import SessionStorageUnavailableError
from shopify_session_storage.forking import mutex, notice_fork, this_process

_R = TypeVar("_R")

Step = Callable[[], Coroutine[Any, Any, None]]

# How long the end of the process waits for what is under way, and until connections are closed.
_END_SECONDS: Final = 5.0

# What the event loop and the storages need as it is; eventlet calls threading by its other name.
_NEEDED: Final = ("threading", "thread", "select", "socket", "queue")


class Portal:
    """An event loop in a daemon thread, for the process that made it."""

    def __init__(self) -> None:
        self.process = this_process()
        self._loop = asyncio.new_event_loop()
        self._ended = False
        self._at_exit: WeakKeyDictionary[object, tuple[Step, ...]] = WeakKeyDictionary()
        self._thread = threading.Thread(
            target=self._serve, name="shopify-session-storage", daemon=True
        )
        self._thread.start()

    def run(
        self,
        call: Callable[[], Coroutine[Any, Any, _R]],
        seconds: float | None,
        context: Context | None = None,
    ) -> _R:
        """Return what *call* comes to, on the portal's event loop, in the caller's context.

        Raises:
            RuntimeError: In a thread whose own event loop is running, which would stand still; and
                when the process is about to end.
            SessionStorageUnavailableError: After *seconds*. What has been sent may take effect.
        """
        _refuse_a_running_loop()
        if self._ended:
            raise RuntimeError("the process is about to end, and its storages are closed")
        future: Future[_R] = Future()
        tasks: list[asyncio.Task[_R]] = []
        context = copy_context() if context is None else context

        def begin() -> None:
            if future.cancelled():
                return
            try:
                task = self._loop.create_task(call(), context=context)
            except Exception as error:  # what a third party's method raises without being awaited
                future.set_exception(error)
                return
            tasks.append(task)
            task.add_done_callback(lambda task: _settle(future, task))

        def end() -> None:
            for task in tasks:
                task.cancel()

        self._loop.call_soon_threadsafe(begin)
        try:
            return future.result(seconds)
        except BaseException as error:
            # Not only our own limit: a job queue's, or Ctrl-C, can end the wait at any moment.
            if future.cancel():
                self._loop.call_soon_threadsafe(end)
            elif isinstance(error, TimeoutError):
                return future.result()  # it came at the last moment, or is what the call came to
            if not isinstance(error, TimeoutError):
                raise
        raise SessionStorageUnavailableError(f"no answer within {seconds:g} s")

    def iterate(self, items: AsyncIterator[_R], seconds: float | None) -> Iterator[_R]:
        """Give the items of an async iterator, each when it is asked for."""
        done = object()
        context = copy_context()  # one for all steps: a generator may set and reset a variable

        async def step() -> Any:
            return await anext(items, done)

        while (item := self.run(step, seconds, context)) is not done:
            yield item

    def at_exit(self, owner: object, *steps: Step) -> None:
        """Take these *steps*, one after the other, when the process ends and *owner* is there."""
        with mutex():
            self._at_exit[owner] = steps

    def end(self) -> None:
        """Take the steps of all owners, and close the event loop."""
        with mutex():
            owners = list(self._at_exit.values())

        async def take(steps: tuple[Step, ...]) -> None:
            for step in steps:
                with suppress(Exception):  # nobody is there any more who could act on it
                    await step()

        async def take_all() -> None:
            await asyncio.gather(*map(take, owners))

        with suppress(Exception):
            self.run(take_all, _END_SECONDS)
        self._ended = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_END_SECONDS)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        while not self._ended:
            # A callback of the user's that calls sys.exit() ends its own caller, nobody else.
            with suppress(SystemExit):
                self._loop.run_forever()
        self._loop.close()


_portals: Final[list[Portal]] = []


def portal() -> Portal:
    """Return the portal of this process, made on first use and made anew after a fork.

    Raises:
        RuntimeError: Where gevent or eventlet have replaced threads, or what an event loop waits
            with.
    """
    notice_fork()
    if _portals and _portals[-1].process is this_process():
        return _portals[-1]
    _refuse_green_threads()
    with mutex():
        if not _portals or _portals[-1].process is not this_process():
            # Those of the parent stay where they are: their finalizers must not run here.
            _portals.append(Portal())
        return _portals[-1]


def _end() -> None:
    notice_fork()
    if _portals and _portals[-1].process is this_process():
        _portals[-1].end()


# The first finalizer of a process registers all of them to be run at its end. They drop connections
# that nobody has closed, so ours is registered after them, and is run before.
finalize(_end, int)
atexit.register(_end)


def seconds_of(timeout: timedelta | None) -> float | None:
    """Return a time limit in seconds.

    Raises:
        TypeError: If it is no timedelta.
        ValueError: If it is not positive.
    """
    if timeout is None:
        return None
    if not isinstance(timeout, timedelta):
        raise TypeError(f"timeout must be a timedelta or None, not {type(timeout).__name__}")
    if timeout <= timedelta(0):
        raise ValueError("timeout must be positive")
    return timeout.total_seconds()


def _settle(future: "Future[_R]", task: "asyncio.Task[_R]") -> None:
    with suppress(InvalidStateError):  # its caller gives up at any moment
        if task.cancelled():
            future.cancel()
        elif (error := task.exception()) is not None:
            future.set_exception(error)
        else:
            future.set_result(task.result())


def _refuse_a_running_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        "an event loop is running in this thread, and would be blocked; "
        "await the storage itself, or call this in another thread (asyncio.to_thread)"
    )


def _refuse_green_threads() -> None:
    for name, module, check in (
        ("gevent", "gevent.monkey", "is_module_patched"),
        ("eventlet", "eventlet.patcher", "is_monkey_patched"),
    ):
        patches = sys.modules.get(module)
        for part in () if patches is None else _NEEDED:
            if getattr(patches, check)(part):
                raise RuntimeError(
                    f"{name} has replaced Python's {part}, so no event loop can run in a "
                    "thread of its own; use workers with real threads"
                )
