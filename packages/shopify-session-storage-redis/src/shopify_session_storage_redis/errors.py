"""What failures of Redis and of redis-py mean, and how they are worded: never with a value."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from traceback import walk_tb
from typing import Final, NamedTuple

import redis.exceptions as errors
from shopify_session_storage import SessionStorageError, Verdict

_LOST, _CONFLICT, _DENIED = Verdict.LOST, Verdict.CONFLICT, Verdict.DENIED
_UNAVAILABLE = Verdict.UNAVAILABLE


class Meaning(NamedTuple):
    """What an error means.

    Attributes:
        verdict: What core does about it.
        why: What there is to say to people.
    """

    verdict: Verdict
    why: str


_IN_SCRIPTS: Final = "GET, MGET, SET, MSET, SETRANGE, PERSIST, DEL, EXISTS, PEXPIREAT"

# By the code that an answer begins with; also where a script's error has it inside, as up to
# Redis 6.2 and on KeyDB: "Error running script (call to f_...): ... -READONLY You can't ...".
CODES: Final = {
    "READONLY": Meaning(_LOST, "the server has become a replica, and takes no writes"),
    "LOADING": Meaning(_LOST, "the server is still loading its data"),
    "MASTERDOWN": Meaning(_LOST, "the server is a replica that has lost its master"),
    "CLUSTERDOWN": Meaning(_LOST, "a part of the cluster is down"),
    "UNBLOCKED": Meaning(_LOST, "the server has become a replica meanwhile"),
    "NOREPLICAS": Meaning(_LOST, "the master has too few replicas to take writes"),
    "NOSCRIPT": Meaning(_LOST, "the server has forgotten a script, twice"),
    "TRYAGAIN": Meaning(_CONFLICT, "the keys are on their way to another node"),
    "BUSY": Meaning(_CONFLICT, "another client's script blocks the server"),
    "NOAUTH": Meaning(_DENIED, "the server wants a password"),
    "WRONGPASS": Meaning(_DENIED, "the user is not known, or the password is wrong"),
    "NOPERM": Meaning(_DENIED, "the user lacks a right"),
    "DENIED": Meaning(_DENIED, "the server is in protected mode: it accepts only local clients"),
    "OOM": Meaning(_UNAVAILABLE, "the server's memory is full (maxmemory): no writes"),
    "MISCONF": Meaning(_UNAVAILABLE, "the server cannot save to its disk: no writes"),
    "MOVED": Meaning(_UNAVAILABLE, "the server is a node of a cluster; use redis+cluster://"),
    "ASK": Meaning(_UNAVAILABLE, "the server is a node of a cluster; use redis+cluster://"),
    "CROSSSLOT": Meaning(_UNAVAILABLE, "this is a cluster's proxy; use redis+cluster://"),
    "WRONGTYPE": Meaning(_UNAVAILABLE, "a key holds something that is not ours"),
}

# Answers without a code of their own, and what redis-py says of its pool, by their text.
_TEXTS: Final = (
    (
        r"max number of clients reached|too many connections",
        Meaning(_CONFLICT, "there is no connection left (maxclients, or the pool's limit)"),
    ),
    (r"script killed by user", Meaning(_CONFLICT, "somebody has killed the script")),
    (r"executing the script can't|acl failure in script", CODES["NOPERM"]),
    (
        r"unknown redis command called from",
        Meaning(_UNAVAILABLE, f"unknown command: one of {_IN_SCRIPTS}, which scripts run"),
    ),
    (
        r"without any password configured|no password is set",
        Meaning(_DENIED, "the URL has a password, but the server has none"),
    ),
    (
        r"cluster support disabled|cluster mode is not enabled",
        Meaning(_UNAVAILABLE, "the server is no node of a cluster; use redis://"),
    ),
    (  # of Envoy and twemproxy
        r"^(no upstream host|upstream failure|connection (refused|reset|timed out)|server closed)",
        Meaning(_LOST, "a proxy has lost the server behind it"),
    ),
)

# redis-py takes the code off what it has a class for; and what has no code. The first one counts.
_CLASSES: Final[tuple[tuple[type[Exception], str | Verdict], ...]] = (
    (errors.ReadOnlyError, "READONLY"),
    (errors.BusyLoadingError, "LOADING"),
    (errors.MasterDownError, "MASTERDOWN"),
    (errors.ClusterDownError, "CLUSTERDOWN"),
    (errors.NoScriptError, "NOSCRIPT"),
    (errors.TryAgainError, "TRYAGAIN"),
    (errors.NoPermissionError, "NOPERM"),
    (errors.AuthenticationError, "WRONGPASS"),
    (errors.AuthorizationError, "NOPERM"),
    (errors.OutOfMemoryError, "OOM"),
    (errors.MovedError, "MOVED"),
    (errors.AskError, "ASK"),
    (errors.ClusterCrossSlotError, "CROSSSLOT"),
    (errors.MaxConnectionsError, _CONFLICT),  # of the pool of a client that was passed in
    (errors.ConnectionError, _LOST),
    (errors.TimeoutError, _LOST),
    (errors.ClusterError, _LOST),  # sent on too often
    (errors.RedisClusterException, _LOST),  # no node is to be had, or not for all keys
    (errors.InvalidResponse, _LOST),
    (OSError, _LOST),
)

# Which of the commands that are sent an answer may be about.
_COMMANDS: Final = frozenset((
    "ASKING", "AUTH", "CLIENT", "CLUSTER", "COMMAND", "DEL", "EVAL", "EVALSHA", "EXISTS", "GET",
    "GETRANGE", "HELLO", "INFO", "MGET", "MSET", "PERSIST", "PEXPIREAT", "READONLY", "SCAN",
    "SELECT", "SET", "SETRANGE",
))  # fmt: skip
_COMMAND: Final = re.compile(r"(?:unknown (?:sub)?command|run the)[ ,:]*['`\"]?([A-Za-z]+)")
_CODE: Final = re.compile(r"([A-Z]{2,})\b")
_CODE_INSIDE: Final = re.compile(r" -([A-Z]{2,}) ")
_QUOTE: Final = re.compile("['\"`]")

_IN_THE_WAY: Final = {
    b"list": "the list of a shop",
    b"session": "a session",
    b"text": "something that is not ours",
    b"other": "something that is not ours",
}


class KeyConflictError(SessionStorageError):
    """A key for a session or a list holds something else, which is left as it is."""


def conflict_error(conflict: Sequence[bytes]) -> KeyConflictError:
    """Word what a script found in the way: what the key holds, and the key."""
    kind, key = conflict
    name = key.decode(errors="replace")
    return KeyConflictError(f"redis: the key {name!r} is taken: it holds {_IN_THE_WAY[kind]}")


def verdict_on(error: Exception) -> Verdict:
    """Tell what an error of redis-py means, or one of ours."""
    if isinstance(error, KeyConflictError):
        return Verdict.DATA
    return _worded(error).verdict


def wording_of(error: Exception) -> str:
    """Describe an error without the values that its text may repeat."""
    return _worded(error)


def scrub(error: Exception) -> None:
    """Leave of an error's text what may be shown."""
    if isinstance(error, errors.RedisError | errors.RedisClusterException):
        error.args = (_worded(error),)


class _Words(str):
    """A wording, with the verdict on the error that has it in place of its text since."""

    __slots__ = ("verdict",)
    verdict: Verdict


def _worded(error: Exception) -> _Words:
    if error.args and isinstance(error.args[0], _Words):
        return error.args[0]
    verdict, text = _meaning(error)
    words = _Words(text)
    words.verdict = verdict
    return words


@contextmanager
def closed_is_lost() -> Iterator[None]:
    """Tell of a connection that is closed as redis-py does, where asyncio does not.

    From Python 3.12 on, ``writelines()`` of a transport that is closed calls None.
    """
    try:
        yield
    except TypeError as error:
        *_, (frame, _) = walk_tb(error.__traceback__)
        if frame.f_code.co_name != "writelines" or "asyncio" not in frame.f_globals["__name__"]:
            raise
    else:
        return
    raise errors.ConnectionError("Connection closed by server.")


def _meaning(error: Exception) -> Meaning:
    name = type(error).__name__
    text, repeats = str(error).partition(", with args")[:2]
    if repeats or "unknown command" in text:
        return Meaning(_UNAVAILABLE, f"{name}: unknown command {_command_in(text)}".rstrip())
    by_class = next((means for kind, means in _CLASSES if isinstance(error, kind)), None)
    code = _code_in(text) if by_class is None or isinstance(by_class, Verdict) else by_class
    if code == "WRONGPASS" and (
        text.startswith("Authentication required") or getattr(error, "status_code", "") == "NOAUTH"
    ):
        code = "NOAUTH"
    known = _known_text(text) or CODES.get(code or "")
    if known is not None:
        if known is CODES["NOPERM"]:
            code = "NOPERM"
        words = (name, code, known.why, _what(known, text))
        return Meaning(known.verdict, ": ".join(filter(None, words)))
    if isinstance(by_class, Verdict):
        return Meaning(by_class, _text_of_the_driver(error))
    if isinstance(error, errors.ResponseError):
        # The server quotes what it complains of.
        return Meaning(_UNAVAILABLE, f"{name}: {_QUOTE.split(text)[0].strip()}")
    return Meaning(_UNAVAILABLE, name)


def _code_in(text: str) -> str | None:
    found = _CODE.match(text)
    if found is None and "running script" in text:
        found = _CODE_INSIDE.search(text)
    return None if found is None or found[1] not in CODES else found[1]


def _known_text(text: str) -> Meaning | None:
    folded = text.lower()
    return next((means for pattern, means in _TEXTS if re.search(pattern, folded)), None)


def _what(meaning: Meaning, text: str) -> str:
    """Say which right is missing."""
    if meaning is not CODES["NOPERM"]:
        return ""
    if command := _command_in(text):
        return f"the command {command}"
    if "command" in text and "key" not in text:
        return f"one of {_IN_SCRIPTS}, which scripts run"
    return "access to a key" if "key" in text else ""


def _command_in(text: str) -> str:
    found = _COMMAND.search(text)
    command = "" if found is None else found[1].upper()
    return command if command in _COMMANDS else ""


def _text_of_the_driver(error: Exception) -> str:
    name, text = type(error).__name__, str(error)
    if isinstance(error, errors.InvalidResponse):
        return name
    if isinstance(error, errors.RedisClusterException) and "execute" in text:
        return name  # it repeats the command
    return f"{name}: {text}" if text else name
