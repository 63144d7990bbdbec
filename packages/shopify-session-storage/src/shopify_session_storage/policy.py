"""What becomes of a failure: raised, or logged and answered, in words that show no value."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Final

from shopify_session_storage.calls import GroupedCalls
from shopify_session_storage.errors import (
    CorruptSessionError,
    SessionStorageError,
    SessionStorageUnavailableError,
)
from shopify_session_storage.events import Watch, watching
from shopify_session_storage.failures import (
    OnError,
    OutOfTimeError,
    Verdict,
    are_failures_raised,
    cause_of,
    hide_locals,
    own_copy,
)

# How long a look at the backend may take when a storage opens, at least. It is a few quick queries,
# and the first one may have to connect; on a connection that has fallen silent it would never end.
_LOOKING_SECONDS: Final = 30.0


class ErrorPolicy(GroupedCalls):
    """A storage's ``on_error`` and ``timeout``, and what it says about failures."""

    def __init__(self, on_error: OnError, timeout: timedelta) -> None:
        if on_error not in ("log", "raise"):
            raise ValueError(f'on_error must be "log" or "raise", not {on_error!r}')
        if not isinstance(timeout, timedelta):
            raise TypeError(f"timeout must be a timedelta, not {type(timeout).__name__}")
        if timeout <= timedelta(0):
            raise ValueError("timeout must be positive")
        super().__init__()
        self._on_error = on_error
        self._timeout = timeout
        self._seconds = timeout.total_seconds()
        self._logger = logging.getLogger(f"shopify_session_storage.{self.backend}")
        self._failures = (SessionStorageError, OutOfTimeError, *self.driver_errors)

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        """End what is done meanwhile if the backend does not answer."""
        seconds = max(self._seconds, _LOOKING_SECONDS)
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
        else:
            return
        await self._recover()
        raise SessionStorageUnavailableError(
            f"{self.backend}: the server has not answered for {seconds:g} s"
        )

    async def _close_quietly(self, seconds: float) -> None:
        # Nobody can act on a failure to close, and it must not hide the error that led here.
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                await self._close()
        except TimeoutError as error:
            if not limit.expired():
                raise
            failure: Exception = error
        except self._failures as error:
            failure = error
        else:
            return
        if limit.expired():
            self._abandon()
        else:
            self._logger.warning("%s", self._failure("close the storage cleanly", failure))

    @contextmanager
    def _raising(self, operation: str, doing: str) -> Iterator[Watch]:
        """Raise failures, whatever ``on_error`` says.

        Args:
            operation: The call's name in events.
            doing: What it does, in words.
        """
        with watching(self.backend, operation) as watch:
            try:
                yield watch
            except self._failures as error:
                failure = error
            else:
                return
            self._note(watch, failure)
            raise self._failure(doing, failure) from cause_of(failure)

    @staticmethod
    def _note(watch: Watch, error: Exception) -> None:
        corrupt = isinstance(error, CorruptSessionError)
        watch.came_to("corrupt" if corrupt else "failed", cause_of(error) or error)

    def _fail(self, watch: Watch, doing: str, error: Exception) -> None:
        self._note(watch, error)
        failure = self._failure(doing, error)
        if self._on_error == "raise" or are_failures_raised():
            raise failure from cause_of(error)
        self._logger.error("%s", failure)

    def _failure(self, doing: str, error: Exception) -> SessionStorageError:
        hide_locals(error)
        if isinstance(error, SessionStorageError):
            return own_copy(error)
        if isinstance(error, OutOfTimeError):
            return SessionStorageUnavailableError(
                f"{self.backend}: could not {doing}: no answer within {self._seconds:g} s"
            )
        self._scrub(error)
        kind = (
            SessionStorageError
            if self._verdict_of(error) is Verdict.DATA
            else SessionStorageUnavailableError
        )
        return kind(f"{self.backend}: could not {doing}: {self._describe(error)}")
