"""A redis-py client, for one server or for a cluster, as the storage and its migration use it."""

import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from importlib.resources import files
from typing import Any, Final, TypeAlias

import redis.exceptions as errors
from redis.asyncio import Redis, RedisCluster

AnyClient: TypeAlias = "Redis | RedisCluster"
Command: TypeAlias = tuple[Any, ...]

# Answers are bytes whatever decode_responses says. redis-py has the name in a private place.
_AS_BYTES: Final[dict[str, Any]] = {"NEVER_DECODE": True}


class Script:
    """A Lua script of this package.

    Args:
        names: The names of its files without ``.lua``, in order.
    """

    def __init__(self, *names: str) -> None:
        folder = files(__package__) / "scripts"
        parts = [folder / f"{name}.lua" for name in ("common", *names)]
        self.source = b"\n".join(part.read_bytes() for part in parts)
        self.sha = hashlib.sha1(self.source, usedforsecurity=False).hexdigest()

    def on(self, keys: Sequence[bytes], *arguments: bytes | int) -> Command:
        """Return the command that runs it, if the server knows it.

        Texts are given as bytes: the encoding of a client of the user's is not ours.
        """
        return ("EVALSHA", self.sha, len(keys), *keys, *arguments)

    def whole(self, command: Command) -> Command:
        """Return *command* with the script itself, which the server then knows."""
        return ("EVAL", self.source, *command[2:])


_NAMES: Final = (
    "store", "delete", "find", "put", "take", "relist", "record", "acquire", "release",
)  # fmt: skip
SCRIPTS: Final = {
    **{name: Script(name) for name in _NAMES},
    "compare_and_store": Script("compare", "store"),
    "compare_and_put": Script("compare", "put"),
}
_BY_SHA: Final = {script.sha: script for script in SCRIPTS.values()}


class Client:
    """Sends commands and gives bytes back.

    Args:
        redis: redis-py's client.
    """

    def __init__(self, redis: AnyClient) -> None:
        self.redis = redis
        self.is_cluster = isinstance(redis, RedisCluster)

    async def one(self, command: Command) -> Any:
        """Send one command, in one round trip, and return its answer.

        A script that the server has forgotten, or never knew, is sent whole in a second one.
        """
        try:
            return await self.redis.execute_command(*command, **_AS_BYTES)
        except errors.NoScriptError:
            script = _BY_SHA[command[1]]
        return await self.redis.execute_command(*script.whole(command), **_AS_BYTES)

    async def each(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands together, in one round trip to each server, and return their answers.

        An answer can be a ResponseError that is one command's own.
        """
        if len(commands) == 1:
            try:
                return [await self.one(commands[0])]
            except errors.ResponseError as error:
                return [_own(error)]
        answers = await self._pipeline(commands)
        again = [
            (index, _BY_SHA[commands[index][1]].whole(commands[index]))
            for index, answer in enumerate(answers)
            if isinstance(answer, errors.NoScriptError)
        ]
        if again:
            repeated = await self._pipeline([command for _, command in again])
            for (index, _), answer in zip(again, repeated, strict=True):
                answers[index] = answer
        for index, answer in enumerate(answers):
            if self.is_cluster and isinstance(answer, _MOVED_AWAY):
                # A pipeline does not look for the node's successor; a command of its own does.
                (answers[index],) = await self.each([commands[index]])
            elif isinstance(answer, Exception):
                answers[index] = _own(answer)
        return answers

    async def _pipeline(self, commands: Sequence[Command]) -> list[Any]:
        pipeline = self.redis.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command, **_AS_BYTES)
        answers: list[Any] = await pipeline.execute(raise_on_error=False)
        return answers

    async def scan(self, pattern: bytes, count: int) -> AsyncIterator[Sequence[bytes]]:
        """Give the keys that match, in pages of about *count*, some of them more than once."""
        nodes: Iterable[Any] = [self.redis]
        if isinstance(self.redis, RedisCluster):
            await self.redis.initialize()
            nodes = self.redis.get_primaries()
        for node in nodes:
            cursor = 0
            while True:
                cursor, keys = await node.execute_command(
                    "SCAN", cursor, "MATCH", pattern, "COUNT", count, **_AS_BYTES
                )
                if keys:
                    yield keys
                if not cursor:
                    break


_MOVED_AWAY: Final = (errors.ConnectionError, errors.TimeoutError, errors.ClusterDownError)


def _own(error: Exception) -> Exception:
    """Return an error that is one command's own; raise any other."""
    if type(error) is errors.ResponseError and str(error).startswith("WRONGTYPE"):
        return error
    raise error
