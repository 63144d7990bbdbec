"""The right to talk to Shopify's token endpoint about one session, among all processes."""

import asyncio
import logging
import random
import time
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final

from shopify_session_storage.access_tokens.errors import TokenRefreshUnavailable
from shopify_session_storage.errors import SessionStorageError
from shopify_session_storage.storage import SessionStorage

_logger: Final = logging.getLogger("shopify_session_storage.access_tokens")

# How long somebody who was cancelled tries to give back what they may have taken.
_SECONDS_TO_GIVE_BACK: Final = 2.0


class Superseded(Exception):  # noqa: N818  # not an error: the store is read again
    """Somebody else is at it, or was faster."""


class Deadline:
    """The end of a time, which has come as soon as either clock says so.

    A process can be stopped for any time between two statements, and then the monotonic clock goes
    on; while a machine sleeps it may stand still, and then the wall clock tells.
    """

    def __init__(self, length: timedelta) -> None:
        self._ends = (
            time.monotonic() + length.total_seconds(),
            time.time() + length.total_seconds(),
        )

    @property
    def passed(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() >= self._ends[0] or time.time() >= self._ends[1]


class Lease:
    """The right to talk to the token endpoint about one session, among all processes.

    The backend tells whether somebody else has it *now*. Whether somebody had it meanwhile only
    the own clock can tell: past its deadline, counted from before it was asked for, it is lost,
    though it may be free again.
    """

    def __init__(self, storage: SessionStorage, name: str, ttl: timedelta) -> None:
        self.name = name
        self._storage = storage
        self._ttl = ttl
        self._holder = uuid.uuid4().hex
        self._deadline: Deadline | None = None

    async def acquire(self) -> bool:
        """Take it. Somebody who is cancelled meanwhile leaves none behind."""
        deadline = Deadline(self._ttl)
        try:
            taken = await self._storage.acquire_lease(self.name, self._holder, self._ttl)
        except asyncio.CancelledError:
            # It may be taken all the same. In this task, so that an ending event loop waits for it.
            with suppress(TimeoutError):
                async with asyncio.timeout(_SECONDS_TO_GIVE_BACK):
                    await self.release()
            raise
        self._deadline = deadline if taken else None
        return taken

    async def renew(self) -> None:
        """Take it for the whole time again.

        Raises:
            Superseded: If somebody else has it by now, or may have had it.
        """
        if self._deadline is None or self._deadline.passed or not await self.acquire():
            raise Superseded

    async def release(self) -> None:
        """Give it up. If that fails, it ends by itself."""
        self._deadline = None
        try:
            await self._storage.release_lease(self.name, self._holder)
        except SessionStorageError as error:
            _logger.warning("could not release the lease of %r: %s", self.name, error)


class Leases:
    """Makes the leases of one access token store.

    Args:
        storage: What keeps them.
        request_timeout: How long one answer of Shopify is awaited.

    Raises:
        TypeError: If *storage* keeps none.
    """

    def __init__(self, storage: SessionStorage, request_timeout: timedelta) -> None:
        if not hasattr(storage, "acquire_lease"):
            raise TypeError(f"leases need a SessionStorage, not {type(storage).__name__}")
        if getattr(storage, "leases", "backend") == "process":
            _logger.warning(
                "%s keeps leases for this process only: if several processes refresh access "
                "tokens, shops can be lost; pass leases= a storage that keeps them for all of them",
                type(storage).__name__,
            )
        self._storage = storage
        self.ttl = 2 * request_timeout
        # Long enough to outlive the lease of a process that died, and to ask oneself.
        self.patience = (3 * request_timeout).total_seconds()

    def of(self, name: str) -> Lease:
        """Return the lease of a session, not taken yet, for one piece of work."""
        return Lease(self._storage, name, self.ttl)

    @asynccontextmanager
    async def held(self, name: str, shop: str) -> AsyncIterator[Lease]:
        """Hold the lease of a session, as soon as it is free.

        Raises:
            TokenRefreshUnavailable: If another process keeps it for too long.
        """
        lease = self.of(name)
        deadline = time.monotonic() + self.patience
        for pause in pauses():
            if await lease.acquire():
                break
            if time.monotonic() > deadline:
                raise TokenRefreshUnavailable("another process does not finish in time", shop=shop)
            await asyncio.sleep(pause)
        try:
            yield lease
        finally:
            await lease.release()


def pauses() -> Iterable[float]:
    """Give ever longer pauses in seconds, at random, so that processes do not march in step."""
    longest = 0.05
    while True:
        yield random.uniform(longest / 2, longest)  # noqa: S311
        longest = min(1.0, longest * 1.5)
