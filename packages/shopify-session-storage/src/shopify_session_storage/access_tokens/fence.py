"""What an uninstall tells the exchanges and saves of its shop that are under way anywhere.

A refresh needs none of this: it is stored only in place of the pair that it started from, so once
that is deleted there is nothing to replace. An exchange often starts from an empty place, and an
uninstall leaves an empty place behind, so the two look alike. Uninstalling must not wait for
exchanges either, since Shopify's endpoint may be slow, and a webhook must be answered in seconds.

So the shop's life is cut into eras, by leases with well-known holders, "uninstall {shop} 0" and
so on. Of each era one of this is true:

- nobody has it: no exchange or save is under way in it;
- ``open``: some have entered it, and share the lease;
- ``ended`` or ``late``: an uninstall has ended it; the latter, if the webhook says when the shop
  uninstalled, so that it may concern an earlier install.

Entering takes the first era that has not ended, and renews the end of those before it, so that
they stay ended for longer than anybody who enters now can stay. An uninstall ends the first era
that is open, and only then reads and deletes the shop's sessions. Who has entered an era sees
before and after storing that it is still open:

- stored before the uninstall read: it is deleted with the rest;
- stored later: the era had ended by then, and they remove what they have stored.

Between releasing ``open`` and taking ``ended`` somebody may find the era open and take it again;
then the uninstall has not begun to read, and tries once more. Eras end by themselves when nobody
has used them for longer than an exchange may last. Entering costs one round trip, each look one,
an uninstall two; one or two more for each uninstall in the last minute.
"""

import asyncio
from datetime import timedelta
from itertools import count
from typing import Final

from shopify_session_storage.access_tokens.lease import Deadline, Lease
from shopify_session_storage.storage import SessionStorage

_OPEN: Final = "open"
_ENDED: Final = "ended"
_LATE: Final = "late"

_PROBE: Final = timedelta(seconds=5)
_PAUSE: Final = 0.005


class Uninstalled(Exception):  # noqa: N818  # not an error: what has been got is not stored
    """The shop has uninstalled the app meanwhile."""


class UninstalledBefore(Exception):  # noqa: N818
    """The shop has uninstalled the app at some time, perhaps before this install."""


class Era:
    """The time of a shop between two uninstalls, entered by an exchange or a save."""

    def __init__(self, fence: "Fence", name: str, deadline: Deadline) -> None:
        self._fence = fence
        self._name = name
        self._deadline = deadline

    async def check(self) -> None:
        """See that it goes on.

        Raises:
            Uninstalled: If the shop has uninstalled the app meanwhile, or so much time has passed
                that it cannot be told.
            UninstalledBefore: If a webhook about an uninstall, perhaps an earlier one, has come.
        """
        if self._deadline.passed:
            raise Uninstalled
        if not await self._fence.take(self._name, _OPEN):
            late = await self._fence.take(self._name, _LATE)
            raise UninstalledBefore if late else Uninstalled


class Fence:
    """Keeps what is under way from storing what an uninstall has ended.

    Args:
        leases: What keeps leases.
        stay: For how long an exchange may last.
    """

    def __init__(self, leases: SessionStorage, stay: timedelta) -> None:
        self._leases = leases
        self.stay = stay

    async def enter(self, shop: str) -> Era:
        """Enter the present era of a shop."""
        for number in count():
            name = _name(shop, number)
            while True:
                deadline = Deadline(self.stay)
                if await self.take(name, _OPEN):
                    return Era(self, name, deadline)
                if await self.take(name, _ENDED) or await self.take(name, _LATE):
                    break
                await asyncio.sleep(_PAUSE)  # somebody is ending it
        raise AssertionError  # numbers do not end

    async def end(self, shop: str, *, late: bool) -> None:
        """End the present era of a shop, if anybody has entered it."""
        how = _LATE if late else _ENDED
        for number in count():
            name = _name(shop, number)
            probe = Lease(self._leases, name, _PROBE)
            if await probe.acquire():
                await probe.release()
                return  # nobody is there, nor in any later one
            other = _ENDED if late else _LATE
            while not (await self.take(name, how) or await self.take(name, other)):
                await self._leases.release_lease(name, _OPEN)

    async def take(self, name: str, holder: str) -> bool:
        """Take an era, or renew what it is already."""
        # What has ended stays so for longer than those who entered before can stay.
        ttl = self.stay if holder == _OPEN else 1.5 * self.stay
        return await self._leases.acquire_lease(name, holder, ttl)


def _name(shop: str, number: int) -> str:
    return f"uninstall {shop} {number}"
