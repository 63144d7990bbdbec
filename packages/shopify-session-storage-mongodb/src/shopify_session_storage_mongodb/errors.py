"""What failures of MongoDB and its driver mean, and how they are worded: without stored values."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bson.errors import BSONError
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
)
from shopify_session_storage import Verdict

DUPLICATE_KEY: Final = 11000

_LOST, _CONFLICT, _DATA = Verdict.LOST, Verdict.CONFLICT, Verdict.DATA
_DENIED, _UNAVAILABLE = Verdict.DENIED, Verdict.UNAVAILABLE

# What the server's codes mean, on their own or inside a write's answer.
_CODES: Final[Mapping[int, tuple[str, Verdict, str]]] = {
    6: ("HostUnreachable", _LOST, "a router cannot reach the shard's server"),
    7: ("HostNotFound", _LOST, "a router cannot find the shard's server"),
    43: ("CursorNotFound", _LOST, "the server has forgotten a find half-way"),
    89: ("NetworkTimeout", _LOST, "a router gets no answer from the shard's server"),
    91: ("ShutdownInProgress", _LOST, "the server is going away"),
    189: ("PrimarySteppedDown", _LOST, "another server becomes the primary"),
    202: ("NetworkInterfaceExceededTimeLimit", _LOST, "a router gets no answer in time"),
    237: ("CursorKilled", _LOST, "somebody has ended a find half-way"),
    317: ("ConnectionPoolExpired", _LOST, "a router has dropped its connections"),
    9001: ("SocketException", _LOST, "a router has lost a connection"),
    10058: ("LegacyNotPrimary", _LOST, "the server is not the primary any more"),
    10107: ("NotWritablePrimary", _LOST, "the server is not the primary any more"),
    11600: ("InterruptedAtShutdown", _LOST, "the server is going away"),
    11602: ("InterruptedDueToReplStateChange", _LOST, "the server is changing its role"),
    13435: ("NotPrimaryNoSecondaryOk", _LOST, "the server is not the primary any more"),
    13436: ("NotPrimaryOrSecondary", _LOST, "the server is recovering"),
    24: ("LockTimeout", _CONFLICT, "somebody holds a lock"),
    46: ("LockBusy", _CONFLICT, "somebody holds a lock"),
    63: ("StaleShardVersion", _CONFLICT, "a chunk is moving to another shard"),
    112: ("WriteConflict", _CONFLICT, "another write of the document won"),
    117: ("ConflictingOperationInProgress", _CONFLICT, "such as a chunk that is moving"),
    150: ("StaleEpoch", _CONFLICT, "the collection is being resharded"),
    225: ("TransactionTooOld", _CONFLICT, "a newer write of the driver's session came first"),
    244: ("TransactionAborted", _CONFLICT, "another transaction won"),
    251: ("NoSuchTransaction", _CONFLICT, "another transaction won"),
    262: ("ExceededTimeLimit", _CONFLICT, "the server could not begin in time"),
    462: ("IngressRequestRateLimitExceeded", _CONFLICT, "throttled"),
    13388: ("StaleConfig", _CONFLICT, "a chunk is moving to another shard"),
    16500: ("TooManyRequests", _CONFLICT, "throttled by Cosmos DB"),
    2: ("BadValue", _DATA, "the server does not take a value"),
    9: ("FailedToParse", _DATA, "the server does not take a value"),
    14: ("TypeMismatch", _DATA, "the server does not take a value's type"),
    22: ("InvalidBSON", _DATA, "the server cannot read the document"),
    61: ("ShardKeyNotFound", _DATA, "the document lacks the shard key"),
    66: ("ImmutableField", _DATA, "the write would change the shard key"),
    121: ("DocumentValidationFailure", _DATA, "the collection's validator refuses it"),
    10334: ("BSONObjectTooLarge", _DATA, "the document is larger than the server takes"),
    DUPLICATE_KEY: ("DuplicateKey", _DATA, "a unique index of somebody's own refuses it"),
    17280: ("KeyTooLong", _DATA, "an index of somebody's own refuses it"),
    17420: ("DocumentTooLarge", _DATA, "the document is larger than the server takes"),
    11: ("UserNotFound", _DENIED, "there is no such user"),
    13: ("Unauthorized", _DENIED, "the user may not"),
    18: ("AuthenticationFailed", _DENIED, "user or password is wrong"),
    33: ("AuthSchemaIncompatible", _DENIED, "the server knows users of another kind"),
    8000: ("AtlasError", _DENIED, "Atlas refuses it: user, right, quota"),
    50: ("MaxTimeMSExpired", _UNAVAILABLE, "the server gave up at our time limit"),
    64: ("WriteConcernFailed", _UNAVAILABLE, "too few members have confirmed the write"),
    100: ("UnsatisfiableWriteConcern", _UNAVAILABLE, "there are too few members"),
    14031: ("OutOfDiskSpace", _UNAVAILABLE, "the server's disk is full"),
}

# What the server itself says of an error, for drivers.
_LABELS: Final = {
    "TransientTransactionError": _CONFLICT,
    "SystemOverloadedError": _CONFLICT,
    "RetryableWriteError": _LOST,
}

# Of several errors in one answer, the one that decides. One by one they may differ.
_FIRST: Final = (_LOST, _CONFLICT, _DENIED, _DATA, _UNAVAILABLE)

# Why an index cannot be made that is missing.
CANNOT_INDEX: Final = {
    13: "the user may not",
    67: "the server will not",  # CannotCreateIndex, such as beside another shard key
    85: "another index is in the way",  # IndexOptionsConflict
    86: "another index is in the way",  # IndexKeySpecsConflict
    8000: "the user may not",  # on Atlas
    DUPLICATE_KEY: "several documents have the same id, or have none",
}

# Where the messages of server and driver begin to repeat documents, values or the whole topology.
_DETAILS: Final = re.compile(r", full error:|, Timeout:|[{\"']")


def verdict_of(error: Exception) -> Verdict:
    """Tell what an error means."""
    if isinstance(error, BulkWriteError):
        return _verdict_of_many(error)
    if isinstance(error, WriteConcernError):
        return _verdict_on_confirmation(error.code or 0)
    if isinstance(error, DuplicateKeyError):
        return _DATA
    if isinstance(error, OperationFailure) and (error.code or 0) in _CODES:
        return _CODES[error.code or 0][1]
    if isinstance(error, ServerSelectionTimeoutError | WaitQueueTimeoutError):
        return _UNAVAILABLE  # the driver itself has tried for long enough
    if isinstance(error, ConnectionFailure):
        return _LOST
    if isinstance(error, PyMongoError):
        labels = [verdict for label, verdict in _LABELS.items() if error.has_error_label(label)]
        return labels[0] if labels else _UNAVAILABLE
    return _UNAVAILABLE


def _verdict_of_many(error: BulkWriteError) -> Verdict:
    """Tell what the error of a group means: its writes, and then whether they were confirmed."""
    codes = [_number(one) for one in _entries(error.details, "writeErrors")]
    # Alone, an error that nobody knows is not held against the session.
    verdicts = {_CODES[code][1] if code in _CODES else _DATA for code in codes}
    verdicts |= {
        _verdict_on_confirmation(_number(one))
        for one in _entries(error.details, "writeConcernErrors")
    }
    return next((verdict for verdict in _FIRST if verdict in verdicts), _UNAVAILABLE)


def _verdict_on_confirmation(code: int) -> Verdict:
    # The write has taken effect, so it is only repeated in the way of a lost connection.
    verdict = _CODES[code][1] if code in _CODES else _UNAVAILABLE
    return _LOST if verdict in (_LOST, _CONFLICT) else _UNAVAILABLE


def describe(error: Exception) -> str:
    """Describe an error, with its code, without the values that its text may repeat."""
    name, text = type(error).__name__, problem_of(error)
    codes: list[int | None] = []
    if isinstance(error, BulkWriteError):
        details = error.details
        both = (*_entries(details, "writeErrors"), *_entries(details, "writeConcernErrors"))
        codes += sorted({_number(one) for one in both})
    elif isinstance(error, OperationFailure):
        codes.append(error.code)
    shown = ", ".join(
        f"{code} {_CODES[code][0]}" if code in _CODES else str(code)
        for code in codes
        if code is not None
    )
    if shown:
        name = f"{name} ({shown})"
    return f"{name}: {text}" if text else name


def scrub(error: Exception) -> None:
    """Remove from an error what :func:`describe` does not tell; its codes stay."""
    # Such as the document that was refused, in several places.
    for name, value in vars(error).items():
        if isinstance(value, Mapping):
            setattr(error, name, _codes_of(value))
        elif isinstance(value, list):
            setattr(error, name, [])
        elif isinstance(value, str):
            setattr(error, name, problem_of(error))
    error.args = (problem_of(error),)


def _codes_of(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told of the server's answer."""
    kept: dict[str, Any] = {}
    if isinstance(details.get("code"), int):
        kept["code"] = details["code"]
    labels = details.get("errorLabels")
    if isinstance(labels, list):
        kept["errorLabels"] = [label for label in labels if label in _LABELS]
    for name in ("writeErrors", "writeConcernErrors"):
        if name in details:
            kept[name] = [
                {key: one[key] for key in ("index", "code") if isinstance(one.get(key), int)}
                for one in _entries(details, name)
            ]
    return kept


def _entries(details: object, name: str) -> Iterator[Mapping[str, Any]]:
    entries = details.get(name) if isinstance(details, Mapping) else None
    for one in entries or ():
        if isinstance(one, Mapping):
            yield one


def _number(entry: Mapping[str, Any]) -> int:
    code = entry.get("code")
    return code if isinstance(code, int) else 0


def problem_of(error: Exception) -> str:
    """Return the text of an error without the values that it may repeat."""
    if isinstance(error, BSONError):
        return ""
    return _DETAILS.split(str(error))[0].strip()
