"""Sends commands, and scripts that a server may not know yet."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

import redis.exceptions as errors

from shopify_session_storage_redis.scripts import Command, script_of

_R = TypeVar("_R")

# redis-py has the name in a private place.
AS_BYTES: Final[dict[str, Any]] = {"NEVER_DECODE": True}
"""What to call ``execute_command()`` with, so that answers are bytes whatever decode_responses
says."""


class Client(ABC):
    """Sends commands and gives bytes back. Making one does no I/O.

    Attributes:
        repeats: Whether it sends again by itself what a lost connection has left unknown.
    """

    repeats: bool

    @abstractmethod
    async def send(self, commands: Sequence[Command]) -> list[Any]:
        """Send one or more commands, in one round trip to each server; return their answers.

        An answer can be an error.
        """

    @abstractmethod
    async def use(self, send: Callable[[Any], Awaitable[_R]]) -> _R:
        """Do something over what has ``execute_command()`` as redis-py's clients have it."""

    @abstractmethod
    async def nodes(self) -> Iterable[Any]:
        """Return what has ``execute_command()`` for each server that has keys of its own."""

    @abstractmethod
    async def renew(self) -> None:
        """See that from now on commands go over fresh connections.

        Commands that are under way go on over the old ones, which are closed after the last.
        """

    @abstractmethod
    async def close(self) -> None:
        """Close what was made here."""

    @abstractmethod
    def abandon(self) -> None:
        """Let go of the connections, on an event loop that has ended."""

    async def one(self, command: Command) -> Any:
        """Send one command, in one round trip, and return its answer.

        A script that the server has forgotten, or never knew, is sent whole in a second one.
        """
        (answer,) = await self.send([command])
        if isinstance(answer, errors.NoScriptError):
            (answer,) = await self.send([script_of(command).whole(command)])
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def each(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands together, in one round trip to each server, and return their answers.

        An answer can be a ResponseError that is one command's own.
        """
        if not commands:
            return []
        answers = await self.send(commands)
        again = [
            (index, script_of(commands[index]).whole(commands[index]))
            for index, answer in enumerate(answers)
            if isinstance(answer, errors.NoScriptError)
        ]
        if again:
            repeated = await self.send([command for _, command in again])
            for (index, _), answer in zip(again, repeated, strict=True):
                answers[index] = answer
        for answer in answers:
            if isinstance(answer, Exception) and not _is_own(answer):
                raise answer
        return answers

    async def scan(self, pattern: bytes, count: int) -> AsyncIterator[Sequence[bytes]]:
        """Give the keys that match, in pages of about *count*, some of them more than once."""
        for node in await self.nodes():
            cursor = 0
            while True:
                answer = await node.execute_command(
                    "SCAN", cursor, "MATCH", pattern, "COUNT", count, **AS_BYTES
                )
                cursor, keys = int(answer[0]), answer[1]
                if keys:
                    yield keys
                if not cursor:
                    break


def _is_own(error: Exception) -> bool:
    """Tell whether an error is one command's own, and no other has it."""
    return type(error) is errors.ResponseError and str(error).startswith("WRONGTYPE")
