"""What failures of DynamoDB and the AWS SDK mean, and how they are worded.

They can hold tokens, credentials and signatures: what they may tell is listed here.
"""

from collections.abc import Mapping
from typing import Any, Final

import botocore.exceptions as errors
from shopify_session_storage import (
    MigrationError,
    SessionStorageError,
    SessionStorageUnavailableError,
    Verdict,
)


class ItemRefusedError(SessionStorageError):
    """The table does not take an item, such as for the types of another index of its own."""


class CapacityUsedUpError(SessionStorageUnavailableError):
    """DynamoDB leaves items of a batch unprocessed, however often they are sent."""


class WriteInDoubtError(SessionStorageUnavailableError):
    """A write with a condition has failed, and may have taken effect all the same.

    The SDK has sent it more than once. It must not simply be repeated: if an earlier try has taken
    effect, the condition is not met any more.
    """


CONDITION_NOT_MET: Final = "ConditionalCheckFailedException"
NO_TABLE: Final = "ResourceNotFoundException"
NO_RIGHT: Final = "AccessDeniedException"

_CONFLICT, _DENIED, _UNAVAILABLE = Verdict.CONFLICT, Verdict.DENIED, Verdict.UNAVAILABLE

# What the service's codes mean, and why. The SDK has repeated by then what passes in a moment, and
# on fresh connections what was lost. Only those whose messages hold names,
# numbers and ARNs alone are told: others repeat headers of the request, with the session token of
# temporary credentials, or values of an item (see _WITHOUT_ITEMS).
_CODES: Final[Mapping[str, tuple[Verdict, bool, str]]] = {
    "LimitExceededException": (_CONFLICT, True, "too many tables are being made at once"),
    "PriorRequestNotComplete": (_CONFLICT, False, "another request is under way"),
    "ProvisionedThroughputExceededException": (_CONFLICT, True, "throttled: the table's capacity"),
    "ReplicatedWriteConflictException": (_CONFLICT, False, "another region writes the item"),
    "RequestLimitExceeded": (_CONFLICT, True, "throttled: the account's capacity"),
    "RequestThrottled": (_CONFLICT, False, "throttled"),
    "RequestThrottledException": (_CONFLICT, False, "throttled"),
    "SlowDown": (_CONFLICT, False, "throttled"),
    "Throttling": (_CONFLICT, False, "throttled"),
    "ThrottledException": (_CONFLICT, False, "throttled"),
    "ThrottlingException": (_CONFLICT, True, "throttled"),
    "TooManyRequestsException": (_CONFLICT, False, "throttled"),
    "TransactionConflictException": (_CONFLICT, True, "a transaction has the item"),
    "TransactionInProgressException": (_CONFLICT, False, "a transaction has the item"),
    "AccessDenied": (_DENIED, True, "the user may not assume the role"),
    NO_RIGHT: (_DENIED, True, "the user may not"),
    "ExpiredToken": (_DENIED, False, "the credentials have ended"),
    "ExpiredTokenException": (_DENIED, True, "the credentials have ended"),
    "IncompleteSignatureException": (_DENIED, False, "the credentials are no use"),
    "InvalidClientTokenId": (_DENIED, False, "there is no such access key"),
    "InvalidSignatureException": (_DENIED, False, "the secret key or the clock is wrong"),
    "MissingAuthenticationTokenException": (_DENIED, False, "there are no credentials"),
    "UnrecognizedClientException": (_DENIED, True, "there is no such access key"),
    "InternalServerError": (_UNAVAILABLE, True, "the service fails"),
    "ResourceInUseException": (_UNAVAILABLE, True, "the table is being changed"),
    NO_TABLE: (_UNAVAILABLE, True, "the table does not exist, or not yet"),
    "ServiceUnavailable": (_UNAVAILABLE, True, "the service fails"),
}

# Operations whose parameters hold ids and shops at most, so that ValidationException is told, too.
_WITHOUT_ITEMS: Final = frozenset(
    {"BatchGetItem", "CreateTable", "DescribeTable", "GetItem", "Query", "Scan"}
)

# Errors of the SDK about credentials and settings: names of profiles, settings and files.
_SETTINGS: Final = (
    errors.ConfigNotFound,
    errors.ConfigParseError,
    errors.InvalidConfigError,
    errors.NoCredentialsError,
    errors.NoRegionError,
    errors.PartialCredentialsError,
    errors.ProfileNotFound,
    errors.RefreshWithMFAUnsupportedError,
    errors.SSOTokenLoadError,
    errors.UnauthorizedSSOTokenError,
    errors.UnknownCredentialError,
)

# Those about connections: the endpoint at most.
_CONNECTIONS: Final = (
    errors.ConnectionClosedError,
    errors.ConnectTimeoutError,
    errors.EndpointConnectionError,
    errors.ReadTimeoutError,
    errors.SSLError,
)

_HINTS: Final[dict[type[Exception], str]] = {
    errors.NoCredentialsError: (
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, configure a profile or a role, or pass "
        "session=aioboto3.Session(...)"
    ),
    errors.NoRegionError: ('set AWS_DEFAULT_REGION, or pass client_options={"region_name": "..."}'),
    errors.SSOTokenLoadError: "log in with: aws sso login",
    errors.UnauthorizedSSOTokenError: "log in with: aws sso login",
}


def verdict_of(error: Exception) -> Verdict:
    """Tell what an error means."""
    if isinstance(error, ItemRefusedError):
        return Verdict.DATA
    if isinstance(error, WriteInDoubtError):
        return Verdict.LOST  # what is stored tells
    if isinstance(error, errors.ClientError):
        return _CODES.get(code_of(error), (_UNAVAILABLE,))[0]
    if isinstance(error, (MigrationError, *_SETTINGS)):
        return _DENIED
    return _UNAVAILABLE


def code_of(error: errors.ClientError) -> str:
    """Return the code of an error that DynamoDB answered with."""
    code: str = error.response.get("Error", {}).get("Code", "Unknown")
    return code


def was_repeated(error: errors.ClientError) -> bool:
    """Tell whether the SDK has sent the request more than once."""
    attempts: int = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
    return attempts > 0


def describe(error: Exception) -> str:
    """Describe an error without values, credentials and signatures."""
    if isinstance(error, errors.ClientError):
        told = error.response.get("Error", {}).get("Message") if _is_told(error) else None
        right = (
            f"; the user needs the right dynamodb:{error.operation_name}"
            if code_of(error) == NO_RIGHT
            else ""
        )
        return f"{error.operation_name}: {code_of(error)}" + (f": {told}" if told else "") + right
    kind = type(error).__name__
    if _is_about_a_file(error):
        return f"{kind}: {error}"
    if not _is_told(error):
        return kind
    hint = _HINTS.get(type(error))
    return f"{kind}: {error}" + (f"; {hint}" if hint else "")


def scrub(error: Exception) -> None:
    """Remove from an error what :func:`describe` does not tell. It can be pickled afterwards."""
    if isinstance(error, errors.HTTPClientError):
        error.request = error.response = None  # with body and headers
    if isinstance(error, errors.BotoCoreError):
        told = _is_told(error)
        # What its text is made of again, when it is copied.
        error.kwargs = {
            name: value if told and isinstance(value, str | int) else "..."
            for name, value in error.kwargs.items()
        }
        # An error of aiohttp's, which can have the headers, too.
        error.__cause__ = error.__context__ = None
    if isinstance(error, errors.ClientError):
        error.response = _told_of(error)
    if not _is_told(error) and not _is_about_a_file(error):
        error.args = (describe(error),)


def _told_of(error: errors.ClientError) -> Any:
    kept = {"Code": code_of(error)}
    if _is_told(error):
        kept["Message"] = error.response.get("Error", {}).get("Message", "")
    metadata = error.response.get("ResponseMetadata", {})
    told = ("RequestId", "HTTPStatusCode", "RetryAttempts", "MaxAttemptsReached")
    return {
        "Error": kept,
        "ResponseMetadata": {name: metadata[name] for name in told if name in metadata},
    }


def _is_told(error: Exception) -> bool:
    if isinstance(error, errors.ClientError):
        code = code_of(error)
        if code == "ValidationException":
            return error.operation_name in _WITHOUT_ITEMS
        return code in _CODES and _CODES[code][1]
    return isinstance(error, (*_SETTINGS, *_CONNECTIONS))


def _is_about_a_file(error: Exception) -> bool:
    """Tell whether an error has no other text than the system's own and a path."""
    # Such as that of a role's token, on Kubernetes.
    return isinstance(error, OSError) and error.errno is not None and error.filename is not None
