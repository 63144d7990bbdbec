"""Locks and leases of this process, for storages whose backend has none."""

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import Final

from shopify_session_storage.forking import mutex, this_process

_NAME: Final = "_own_process_locks"


class ProcessLocks:
    """Locks by key, and leases by name, for all threads and event loops of this process."""

    def __init__(self) -> None:
        self.process = this_process()
        self._held: dict[str, Future[None]] = {}
        self._leases: dict[str, tuple[str, float]] = {}

    @asynccontextmanager
    async def lock(self, key: str) -> AsyncIterator[None]:
        """Hold the lock of *key*."""
        # Not asyncio's lock, which serves one event loop.
        mine: Future[None] = Future()
        mine.set_running_or_notify_cancel()  # so that nobody who waits for it can cancel it
        while True:
            with mutex():
                held = self._held.setdefault(key, mine)
            if held is mine:
                break
            await asyncio.wrap_future(held)
        try:
            yield
        finally:
            with mutex():
                del self._held[key]
            mine.set_result(None)

    def acquire_lease(self, name: str, holder: str, milliseconds: int) -> bool:
        """Take or renew a lease, and tell whether *holder* has it."""
        now = time.monotonic()
        with mutex():
            # What a dead holder has left is not kept for longer than it counts.
            for expired in [name for name, (_, end) in self._leases.items() if end <= now]:
                del self._leases[expired]
            if self._leases.get(name, (holder, 0))[0] != holder:
                return False
            self._leases[name] = (holder, now + milliseconds / 1000)
            return True

    def release_lease(self, name: str, holder: str) -> None:
        """Give up a lease if *holder* has it."""
        with mutex():
            if name in self._leases and self._leases[name][0] == holder:
                del self._leases[name]


def locks_of(owner: object) -> ProcessLocks:
    """Return the locks of *owner*, which need not have made any.

    They are new in a forked child, which has but a copy of what its parent holds.
    """
    with mutex():
        locks: ProcessLocks | None = vars(owner).get(_NAME)
        if locks is None or locks.process is not this_process():
            locks = vars(owner)[_NAME] = ProcessLocks()
        return locks
