"""A proxy that does what servers, failovers and networks do to connections."""

import asyncio
import contextlib
from urllib.parse import urlsplit, urlunsplit


class Meddler:
    """Stands between a client and a server.

    Attributes:
        port: Where it listens, on the loopback interface.
        target: Where new connections lead to, a host and a port.
        instead: What scripts are answered in place of the server's answers, first to last.
        lost: How many scripts are run whose answers then get lost with the connection.
        frozen: Whether nothing gets through.
        silent: Through how many of the first connections nothing gets any more.
        connections: How many connections have been made.
        closed: How many of them the client has closed.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.target = (parts.hostname, parts.port or 6379)
        self.instead: list[str] = []
        self.lost = 0
        self.frozen = False
        self.silent = 0
        self.connections = self.closed = 0
        self._tasks = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def url(self, url: str) -> str:
        """Return *url* with the address of the proxy."""
        parts = urlsplit(url)
        login = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{self.port}"))

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        self.connections += 1
        number = self.connections
        server_reader, server_writer = await asyncio.open_connection(*self.target)

        async def up():
            while data := await reader.read(1 << 20):
                if self.frozen or number <= self.silent:
                    continue
                if b"EVAL" in data and self.instead:
                    writer.write(f"-{self.instead.pop(0)}\r\n".encode())
                    continue
                server_writer.write(data)
                if b"EVALSHA" in data and self.lost:
                    self.lost -= 1
                    answers.cancel()
                    await asyncio.gather(answers, return_exceptions=True)
                    await server_reader.read(1)
                    writer.transport.abort()
                    return
            self.closed += 1

        async def down():
            while data := await server_reader.read(1 << 20):
                if not self.frozen and number > self.silent:
                    writer.write(data)
            writer.close()

        answers = asyncio.ensure_future(down())
        try:
            with contextlib.suppress(OSError):
                await up()
        finally:
            answers.cancel()
            for one in (writer, server_writer):
                one.transport.abort()
            self._tasks.discard(task)
