"""What failures of Redis mean, and how they are worded."""

import re
from collections.abc import Sequence
from typing import Final

import redis.exceptions as errors
from shopify_session_storage import SessionStorageError

_IN_THE_WAY: Final = {
    b"list": "the list of a shop",
    b"session": "a session",
    b"text": "something that is not ours",
    b"other": "something that is not ours",
}

_QUOTE: Final = re.compile("['\"`]")


class KeyConflictError(SessionStorageError):
    """A key that a session or a list needs holds something else, which is left as it is."""


def conflict_error(conflict: Sequence[bytes]) -> KeyConflictError:
    """Word what a script found in the way: what the key holds, and the key."""
    kind, key = conflict
    name = key.decode(errors="replace")
    return KeyConflictError(f"redis: the key {name!r} is taken: it holds {_IN_THE_WAY[kind]}")


def without_values(error: Exception) -> str:
    """Describe an error without the values that its text may repeat."""
    name, text = type(error).__name__, str(error)
    if isinstance(error, errors.MovedError):
        return f"{name}: the server is a node of a cluster; use redis+cluster://"
    if type(error) is errors.ResponseError and not re.match(r"[A-Z]+ ", text):
        # The server quotes what it complains of, such as arguments of an unknown command.
        return f"{name}: {re.split(_QUOTE, text)[0].strip()}"
    if isinstance(error, errors.RedisClusterException) and "execute" in text:
        return name
    if isinstance(error, errors.DataError | errors.InvalidResponse):
        return name
    return f"{name}: {text}" if text else name
