"""Keys that one writer of this process holds against all others."""

import asyncio
from collections.abc import AsyncIterator, Collection
from concurrent.futures import Future
from contextlib import asynccontextmanager
from threading import Lock


class Holding:
    """Which keys are held, for all threads and event loops of this process."""

    def __init__(self) -> None:
        self._mutex = Lock()
        self._held: set[str] = set()
        self._waiting: list[Future[None]] = []

    @asynccontextmanager
    async def of(self, keys: Collection[str]) -> AsyncIterator[None]:
        """Hold *keys*, all of them or none, so that nobody waits for each other."""
        while (waiter := self._take(keys)) is not None:
            await asyncio.wrap_future(waiter)
        try:
            yield
        finally:
            with self._mutex:
                self._held.difference_update(keys)
                waiting, self._waiting = self._waiting, []
            for waiter in waiting:
                waiter.set_result(None)

    def _take(self, keys: Collection[str]) -> Future[None] | None:
        """Take the keys, or return what tells when to try again."""
        with self._mutex:
            if self._held.isdisjoint(keys):
                self._held.update(keys)
                return None
            waiter: Future[None] = Future()
            waiter.set_running_or_notify_cancel()  # so that nobody who waits for it can cancel it
            self._waiting.append(waiter)
            return waiter
