"""A proxy in front of the server that does what networks and poolers do now and then."""

import asyncio
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit


class Meddler:
    """Passes on what a client and the server say to each other, until it is told otherwise.

    Attributes:
        url: The address to connect to.
    """

    def __init__(self, url: str, *, hides_number: bool = False) -> None:
        self._parts = urlsplit(url)
        self._hides_number = hides_number
        self._links: list[_Link] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        login = self._parts.netloc.rpartition("@")[0]
        netloc = f"{login}@127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self.url = urlunsplit(self._parts._replace(netloc=netloc, query="sslmode=disable"))
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.go_away()
        await asyncio.gather(*(link.task for link in self._links), return_exceptions=True)

    def freeze(self) -> None:
        """Let all connections fall silent: they stay open, and nothing passes any more."""
        for link in self._links:
            link.is_frozen = True

    def break_when_used(self) -> None:
        """Break each connection that there is when something is said on it."""
        for link in self._links:
            link.breaks = True

    def go_away(self) -> None:
        """Take no more connections, and break those that there are."""
        self._server.close()
        for link in self._links:
            link.break_off()

    async def come_back(self) -> None:
        """Take connections again, at the same address."""
        port = urlsplit(self.url).port
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)

    async def say(self, sql: str) -> None:
        """Run *sql* on each connection's server side; the client does not hear of it."""
        for link in self._links:
            if not link.there.is_closing():
                await link.say(sql)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        link = _Link(reader, writer, *there, hides_number=self._hides_number)
        self._links.append(link)
        await asyncio.wait([link.task])  # which may be cancelled


class _Link:
    """A client and its server connection."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there_reader: asyncio.StreamReader,
        there: asyncio.StreamWriter,
        *,
        hides_number: bool,
    ) -> None:
        self.is_frozen = False
        self.breaks = False
        self.there = there
        self._back = writer
        self._hides_number = hides_number
        self._said: asyncio.Future[None] | None = None
        self.task = asyncio.ensure_future(self._pass_on(reader, there_reader))

    def break_off(self) -> None:
        self._back.transport.abort()
        self.there.transport.abort()
        self.task.cancel()

    async def say(self, sql: str) -> None:
        text = sql.encode() + b"\0"
        self._said = asyncio.get_running_loop().create_future()
        self.there.write(b"Q" + (len(text) + 4).to_bytes(4) + text)
        await self._said

    async def _pass_on(self, reader: asyncio.StreamReader, back: asyncio.StreamReader) -> None:
        try:
            await asyncio.gather(self._to_server(reader), self._to_client(back))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._back.transport.abort()
            self.there.transport.abort()

    async def _to_server(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(65536):
            if self.breaks:
                raise ConnectionResetError
            if not self.is_frozen:
                self.there.write(data)
        self.there.close()

    async def _to_client(self, reader: asyncio.StreamReader) -> None:
        while True:
            head = await reader.readexactly(5)
            body = await reader.readexactly(int.from_bytes(head[1:]) - 4)
            if self._said is not None:
                if head[:1] == b"Z":  # ready for the next one
                    self._said.set_result(None)
                    self._said = None
                continue
            if head[:1] == b"K" and self._hides_number:  # as a pooler makes one up
                body = b"\0\0\0\1" + body[4:]
            if not self.is_frozen:
                self._back.write(head + body)
