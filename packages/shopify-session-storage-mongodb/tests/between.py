"""What stands between a client and the server: refuses commands as servers do, or falls silent."""

import asyncio
import struct
from collections.abc import Callable
from typing import Any, Self

import bson

_MESSAGE = 2013

# What the driver sends to watch the server, on connections of its own.
_WATCHING = ("hello", "ismaster", "isMaster")
WRITES = ("insert", "update", "delete")


class Between:
    """Passes messages on to the server at *host* and *port*.

    Attributes:
        port: Where it listens, on the loopback interface.
        commands: The commands that have been asked for, by name.
        refuse: Answers in the place of the server: takes a command, returns the answer or None.
        silent: Whether nothing passes any more; connections stay open.
        silent_before: Connections with a lower number are silent.
        connections: How many have been made.
    """

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.commands: list[str] = []
        self.refuse: Callable[[dict[str, Any]], dict[str, Any] | None] | None = None
        self.silent = False
        self.silent_before = 0
        self.connections = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def silence_connections(self) -> None:
        """Let the connections that there are fall silent, but none that is made from now on."""
        self.silent_before = self.connections

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        number, self.connections = self.connections, self.connections + 1
        server_reader, server_writer = await asyncio.open_connection(*self._address)

        async def read(source: asyncio.StreamReader) -> tuple[bytes, bytes]:
            head = await source.readexactly(16)
            body = await source.readexactly(struct.unpack_from("<i", head)[0] - 16)
            while self.silent or number < self.silent_before:
                await asyncio.sleep(0.02)
            return head, body

        try:
            while True:
                head, body = await read(reader)
                answer = self._answer(body) if head[12:16] == struct.pack("<i", _MESSAGE) else None
                if answer is not None:
                    content = struct.pack("<ib", 0, 0) + bson.encode(answer)
                    request = struct.unpack_from("<i", head, 4)[0]
                    header = struct.pack("<iiii", 16 + len(content), 1, request, _MESSAGE)
                    writer.write(header + content)
                    continue
                server_writer.write(head + body)
                writer.write(b"".join(await read(server_reader)))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()
            server_writer.transport.abort()
            self._tasks.discard(task)

    def _answer(self, body: bytes) -> dict[str, Any] | None:
        command: dict[str, Any] = {}
        place = 4  # after the flags
        while place < len(body) - 4:
            kind, size = struct.unpack_from("<bi", body, place)
            section = body[place + 1 : place + 1 + size]
            if kind == 0:
                command = {**bson.decode(section), **command}
            else:  # the many documents of one field
                field, _, documents = section[4:].partition(b"\0")
                command[field.decode()] = bson.decode_all(documents)
            place += 1 + size
        name = next(iter(command))
        if name in _WATCHING:
            return None
        self.commands.append(name)
        return self.refuse(command) if self.refuse is not None else None


def write_error(code: int, text: str = "refused", **more: Any) -> dict[str, Any]:
    """Return the answer to a write whose first document is refused."""
    error = {"index": 0, "code": code, "errmsg": text, **more}
    return {"ok": 1, "n": 0, "nModified": 0, "writeErrors": [error]}


def unconfirmed(code: int) -> dict[str, Any]:
    """Return the answer to a write that has taken effect, but could not be confirmed."""
    error = {"code": code, "errmsg": "waiting for replication has ended"}
    return {"ok": 1, "n": 1, "nModified": 1, "writeConcernError": error}


def failure(code: int, text: str = "refused", **more: Any) -> dict[str, Any]:
    """Return the answer to a command that has failed."""
    return {"ok": 0, "code": code, "errmsg": text, **more}


def times(count: int, answer: dict, commands=WRITES):
    """Refuse the first commands of a kind."""
    left = [count]

    def refuse(command):
        if next(iter(command)) in commands and left[0] > 0:
            left[0] -= 1
            return answer
        return None

    return refuse


def always(answer: dict, commands=WRITES):
    return times(10**9, answer, commands)
