"""One copy at a time into a target."""

import asyncio
import os
import socket
import time
from contextlib import suppress
from datetime import timedelta
from typing import Final
from uuid import uuid4

from shopify_session_storage.cli.copying.state import State
from shopify_session_storage.cli.exits import Exit, Stop
from shopify_session_storage.errors import (
    MigrationError,
    SessionStorageError,
    SessionStorageUnavailableError,
)
from shopify_session_storage.storage import SessionStorage

NAME: Final = "shopify-sessions copy"
_TTL: Final = timedelta(seconds=60)
_RENEW_SECONDS: Final = 5
_GIVE_UP_SECONDS: Final = 2


class CopyLease:
    """The lease that a copy holds on its target.

    Args:
        target: The storage that keeps it, where it keeps leases.
        state: Where the holder is noted down, for the command that goes on.
    """

    def __init__(self, target: SessionStorage, state: State) -> None:
        self._target = target
        self._state = state
        self._renewed = 0.0
        self.is_kept = target.leases == "backend"

    async def take(self) -> None:
        """Take it.

        Raises:
            Stop: If another command has it.
        """
        if not self.is_kept:
            return
        state = self._state
        try:
            if state.holder and state.host == socket.gethostname() and not _runs(state.process):
                # It was killed, and cannot have done this itself.
                await self._target.release_lease(NAME, state.holder)
            state.host, state.process = socket.gethostname(), os.getpid()
            state.holder = uuid4().hex
            await self._acquire()
        except MigrationError:  # the table is another program's, and has none beside it
            self.is_kept = False

    async def renew(self) -> None:
        """Take it for the whole time again, if some of it has passed.

        Raises:
            Stop: If another command has it by now.
            SessionStorageUnavailableError: If the target has failed for so long that one may.
        """
        if not self.is_kept or time.monotonic() < self._renewed + _RENEW_SECONDS:
            return
        try:
            await self._acquire()
        except SessionStorageUnavailableError:
            if time.monotonic() > self._renewed + _TTL.total_seconds() / 2:
                raise

    async def give_up(self) -> None:
        """Give it up. If that fails, it ends by itself."""
        if self.is_kept and self._renewed:
            # Whoever pressed Ctrl-C does not wait for a server that is silent.
            with suppress(SessionStorageError, TimeoutError):
                async with asyncio.timeout(_GIVE_UP_SECONDS):
                    await self._target.release_lease(NAME, self._state.holder)

    async def _acquire(self) -> None:
        now = time.monotonic()
        if not await self._target.acquire_lease(NAME, self._state.holder, _TTL):
            raise Stop(
                "another command is copying into this storage, or was killed less than "
                f"{_TTL.seconds} seconds ago; nothing was written since",
                Exit.REFUSED,
            )
        self._renewed = now


def _runs(process: int) -> bool:
    """Tell whether a process of this machine may be running."""
    if os.name != "posix":
        return True  # where asking is not harmless, the lease's end is awaited
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
