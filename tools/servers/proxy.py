"""A TCP proxy in front of a server: counts round trips, cuts connections, lets them freeze."""

import asyncio
from types import TracebackType
from typing import Self


class Proxy:
    """Stands between a client and the server at *host* and *port*.

    Attributes:
        port: Where it listens, on the loopback interface.
        round_trips: How often a client has sent something since the last answer of the server.
        connections: How many connections clients have made.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host, self._server_port = host, port
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self.port = 0
        self.round_trips = 0
        self.connections = 0

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def reset(self) -> None:
        """Start counting anew."""
        self.round_trips = self.connections = 0

    async def listen(self) -> None:
        """Take connections, after :meth:`refuse` at the same port again."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Break every connection, and take no new ones any more."""
        self._server.close()
        self.cut()

    def freeze(self) -> None:
        """Let nothing through any more, on any connection, without telling anybody."""
        self._flows.clear()

    def thaw(self) -> None:
        """Let everything through again."""
        self._flows.set()

    def cut(self) -> None:
        """Break every connection at once, as a network does."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            server_reader, server_writer = await asyncio.open_connection(
                self._host, self._server_port
            )
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, server_writer}
        asks = True

        async def to_server() -> None:
            nonlocal asks
            while data := await reader.read(65536):
                await self._flows.wait()
                if asks:
                    self.round_trips += 1
                    asks = False
                server_writer.write(data)
            server_writer.close()

        async def to_client() -> None:
            nonlocal asks
            while data := await server_reader.read(65536):
                await self._flows.wait()
                asks = True
                writer.write(data)
            writer.close()

        try:
            await asyncio.gather(to_server(), to_client())
        except OSError:
            pass
        finally:
            for one in (writer, server_writer):
                one.transport.abort()
            self._writers -= {writer, server_writer}
            self._tasks.discard(task)
