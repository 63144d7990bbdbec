"""One attempt for all callers of this process, which goes on when they do not wait."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

from shopify_session_storage.access_tokens.errors import AccessTokenError
from shopify_session_storage.errors import SessionStorageError
from shopify_session_storage.session import Session

_logger: Final = logging.getLogger("shopify_session_storage.access_tokens")


class Flights:
    """The refreshes and exchanges that are under way in this process, by key."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[Session | None]] = {}

    def start(
        self, key: str, work: Callable[[], Coroutine[Any, Any, Session | None]]
    ) -> asyncio.Task[Session | None]:
        """Return the task that works on *key*, started if there is none.

        It is nobody's: who waits for it does so behind a shield, so that a cancelled caller ends
        it neither for the others nor between Shopify's answer and the commit.
        """
        task = self.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.ensure_future(work())
            task.add_done_callback(lambda task: self._landed(key, task))
        return task

    def get(self, key: str) -> asyncio.Task[Session | None] | None:
        """Return the task that works on *key*, if there is one."""
        task = self._tasks.get(key)
        if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop():
            return None
        return task

    async def wait(self) -> None:
        """Wait until none is under way on this event loop."""
        loop = asyncio.get_running_loop()
        while tasks := [task for task in self._tasks.values() if task.get_loop() is loop]:
            await asyncio.wait(tasks)
            await asyncio.sleep(0)  # lets their callbacks remove them
        self._tasks.clear()

    def _landed(self, key: str, task: asyncio.Task[Session | None]) -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            # Perhaps nobody waits for it. Messages of ours carry no token; others are not shown.
            ours = isinstance(error, AccessTokenError | SessionStorageError)
            _logger.warning("%s", error if ours else f"{key}: {type(error).__name__}")
