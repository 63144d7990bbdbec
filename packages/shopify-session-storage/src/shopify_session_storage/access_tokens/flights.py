"""One attempt for all callers of this process, which goes on when they do not wait."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Final

from shopify_session_storage.access_tokens.errors import AccessTokenError
from shopify_session_storage.errors import SessionStorageError
from shopify_session_storage.session import Session

_logger: Final = logging.getLogger("shopify_session_storage.access_tokens")


class Flights:
    """The refreshes and exchanges that are under way in this process, by key.

    Attributes:
        cut_off: Whether the end of an event loop has cut one off. It is so in programs that call
            ``asyncio.run()`` for each request or job and do not close what they opened; there,
            nothing can go on beside a caller.
    """

    def __init__(self) -> None:
        self.cut_off = False
        self._tasks: dict[str, asyncio.Task[Session | None]] = {}

    def start(
        self, key: str, work: Callable[[], Coroutine[Any, Any, Session | None]]
    ) -> asyncio.Task[Session | None]:
        """Return the task that works on *key*, started if there is none.

        It is nobody's: who waits for it does so by result_of(), so that a cancelled caller ends
        it neither for the others nor between Shopify's answer and the commit. Nor is the caller's
        context, with its tracing and its log fields, that of the others.
        """
        task = self.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(work(), context=Context())
            self._tasks[key] = task
            task.add_done_callback(lambda task: self._landed(key, task))
        return task

    def get(self, key: str) -> asyncio.Task[Session | None] | None:
        """Return the task that works on *key*, if there is one."""
        task = self._tasks.get(key)
        if task is None or task.done():
            return None
        if task.get_loop().is_closed():
            self._note_cut_off()
        return task if task.get_loop() is asyncio.get_running_loop() else None

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
        if task.cancelled():
            self._note_cut_off()  # nobody else cancels it
        elif (error := task.exception()) is not None:
            # Perhaps nobody waits for it. Messages of ours carry no token; others are not shown.
            ours = isinstance(error, AccessTokenError | SessionStorageError)
            _logger.warning("%s", error if ours else f"{key}: {type(error).__name__}")

    def _note_cut_off(self) -> None:
        if not self.cut_off:
            self.cut_off = True
            _logger.warning(
                "an event loop ended while an access token was being refreshed in the background; "
                "from now on callers wait for the refresh. To avoid that, await aclose() before "
                "the loop ends, or use 'async with'"
            )
