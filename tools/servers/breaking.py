"""A backend that the battery can take away: a real server behind a proxy that closes."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal

from shopify_session_storage import SessionStorage

from servers.places import behind_proxy
from servers.proxy import Proxy


class BreakableServer:
    """A server that goes away and comes back.

    Args:
        proxy: What stands in front of it.
        make: Makes a storage that goes through the proxy, given a value for ``on_error``.
    """

    def __init__(
        self, proxy: Proxy, make: Callable[[Literal["log", "raise"]], SessionStorage]
    ) -> None:
        self._proxy = proxy
        self.make = make

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """Break all connections, and refuse new ones as long as the context lasts."""
        self._proxy.refuse()
        try:
            yield
        finally:
            await self._proxy.listen()


@asynccontextmanager
async def breakable_server(
    url: str, make: Callable[[str, Literal["log", "raise"]], SessionStorage]
) -> AsyncIterator[BreakableServer]:
    """Give the server of *url* as one that can be taken away.

    Args:
        url: The address of the server, on the loopback interface.
        make: Makes a storage, given the address of the proxy and a value for ``on_error``.
    """
    async with behind_proxy(url) as (through, proxy):
        yield BreakableServer(proxy, lambda on_error: make(through, on_error))
