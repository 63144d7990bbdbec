"""Work for the thread of a connection."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import Any, Generic, TypeVar

from shopify_session_storage_sqlite.forking import statement

_R = TypeVar("_R")


class Job(Generic[_R]):
    """Work for a thread. Its caller may have gone, and the caller's event loop, too."""

    result: _R

    def __init__(self, work: Callable[[], _R], done: asyncio.Future[None] | None) -> None:
        self.done: Any = done
        self.error: BaseException | None = None
        self._work: Callable[[], _R] | None = work
        self._under_way = False
        self._mutex = Lock()

    def __call__(self) -> None:
        """Do the work. The outcome is kept here, and no frame of the thread with it."""
        with self._mutex:
            work, self._work = self._work, None
            self._under_way = work is not None
        if work is None:
            return
        try:
            with statement:
                self.result = work()
        except BaseException as error:
            self.error = error.with_traceback(None)
        with self._mutex:
            self._under_way = False
        if self.done is not None:
            with suppress(RuntimeError):  # the event loop has ended
                self.done.get_loop().call_soon_threadsafe(_settle, self.done)

    def give_up(self, interrupt: Callable[[], None] | None = None) -> None:
        """See that it does not begin; if it is under way, call *interrupt*."""
        with self._mutex:
            self._work = None
            if self._under_way and interrupt is not None:
                interrupt()


def _settle(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
