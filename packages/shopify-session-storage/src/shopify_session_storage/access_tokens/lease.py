"""The right to talk to Shopify's token endpoint about one session, among all processes."""

import asyncio
import logging
import random
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shopify_session_storage.access_tokens.errors import TokenRefreshUnavailable
from shopify_session_storage.errors import SessionStorageError
from shopify_session_storage.storage import SessionStorage

_logger: Final = logging.getLogger("shopify_session_storage.access_tokens")


class Superseded(Exception):  # noqa: N818  # not an error: the store is read again
    """Somebody else is at it, or was faster."""


@dataclass
class Lease:
    """The right to talk to the token endpoint about one session, among all processes."""

    storage: SessionStorage
    name: str
    ttl: timedelta
    holder: str

    async def acquire(self) -> bool:
        """Take it, or renew it."""
        return await self.storage.acquire_lease(self.name, self.holder, self.ttl)

    async def wait(self, seconds: float) -> None:
        """Take it as soon as it is free.

        Raises:
            TimeoutError: If it is not within that time.
        """
        deadline = time.monotonic() + seconds
        for pause in pauses():
            await asyncio.sleep(pause)
            if await self.acquire():
                return
            if time.monotonic() > deadline:
                raise TimeoutError

    async def renew(self) -> None:
        """Take it for the whole time again.

        Raises:
            Superseded: If somebody else has it by now.
        """
        if not await self.acquire():
            raise Superseded

    async def release(self) -> None:
        """Give it up. If that fails, it ends by itself."""
        try:
            await self.storage.release_lease(self.name, self.holder)
        except SessionStorageError as error:
            _logger.warning("could not release the lease of %r: %s", self.name, error)


class Leases:
    """Makes the leases of one access token store.

    Args:
        storage: What keeps them.
        request_timeout: How long one answer of Shopify is awaited.
    """

    def __init__(self, storage: SessionStorage, request_timeout: timedelta) -> None:
        self._storage = storage
        self.ttl = 2 * request_timeout
        # Long enough to outlive the lease of a process that died, and to ask oneself.
        self.patience = (3 * request_timeout).total_seconds()

    def of(self, name: str) -> Lease:
        """Return the lease of a session, not taken yet, for one piece of work."""
        return Lease(self._storage, name, self.ttl, uuid.uuid4().hex)

    async def acquire(self, lease: Lease, shop: str) -> None:
        """Take *lease*, waiting for it if need be.

        Raises:
            TokenRefreshUnavailable: If another process keeps it.
        """
        try:
            if not await lease.acquire():
                await lease.wait(self.patience)
            return
        except TimeoutError:
            pass
        raise TokenRefreshUnavailable("another process does not come to an end", shop=shop)


def pauses() -> Iterable[float]:
    """Give ever longer pauses in seconds, at random, so that processes do not march in step."""
    longest = 0.05
    while True:
        yield random.uniform(longest / 2, longest)  # noqa: S311
        longest = min(1.0, longest * 1.5)
