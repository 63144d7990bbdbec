"""What errors of the AWS SDK may tell: they can hold tokens, credentials and signatures."""

from typing import Final

import botocore.exceptions as errors
from shopify_session_storage import SessionStorageError

# Codes of DynamoDB whose messages hold names, numbers and ARNs only. Those of others repeat headers
# of the request, with the session token of temporary credentials (InvalidSignatureException,
# IncompleteSignatureException), or values of an item (ValidationException, see below).
_TOLD: Final = frozenset(
    {
        "AccessDeniedException",
        "ExpiredTokenException",
        "InternalServerError",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ResourceInUseException",
        "ResourceNotFoundException",
        "ServiceUnavailable",
        "ThrottlingException",
        "UnrecognizedClientException",
    }
)

# Operations whose parameters hold ids and shops at most.
_WITHOUT_ITEMS: Final = frozenset(
    {"BatchGetItem", "CreateTable", "DeleteItem", "DescribeTable", "GetItem", "Query"}
)

# Errors of the SDK itself whose messages hold at most the endpoint.
_TOLD_BY_SDK: Final = (
    errors.ConnectionClosedError,
    errors.ConnectTimeoutError,
    errors.EndpointConnectionError,
    errors.NoCredentialsError,
    errors.NoRegionError,
    errors.ReadTimeoutError,
    errors.SSLError,
)

_HINTS: Final[dict[type[Exception], str]] = {
    errors.NoCredentialsError: (
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, configure a profile or a role, or pass "
        "session=aioboto3.Session(...)"
    ),
    errors.NoRegionError: ('set AWS_DEFAULT_REGION, or pass client_options={"region_name": "..."}'),
}


class ItemRefusedError(SessionStorageError):
    """The table does not take an item, such as for the types of another index of its own."""


def code_of(error: errors.ClientError) -> str:
    """Return the code of an error that DynamoDB answered with."""
    code: str = error.response.get("Error", {}).get("Code", "Unknown")
    return code


def describe(error: Exception) -> str:
    """Describe an error without values, credentials and signatures."""
    if isinstance(error, errors.ClientError):
        told = error.response.get("Error", {}).get("Message") if _is_told(error) else None
        return f"{error.operation_name}: {code_of(error)}" + (f": {told}" if told else "")
    kind = type(error).__name__
    if not _is_told(error):
        return kind
    hint = _HINTS.get(type(error))
    return f"{kind}: {error}" + (f"; {hint}" if hint else "")


def scrub(error: Exception) -> None:
    """Remove from an error what :func:`describe` does not tell."""
    if isinstance(error, errors.HTTPClientError):
        error.request = error.response = None  # with body and headers
    if isinstance(error, errors.BotoCoreError):
        error.kwargs = {}
        error.__context__ = None  # an error of aiohttp's, which can have the headers, too
    if _is_told(error):
        return
    if isinstance(error, errors.ClientError):
        error.response = {
            "Error": {"Code": code_of(error)},
            "ResponseMetadata": error.response.get("ResponseMetadata", {}),
        }
    error.args = (describe(error),)


def _is_told(error: Exception) -> bool:
    if isinstance(error, errors.ClientError):
        code = code_of(error)
        return code in _TOLD or (
            code == "ValidationException" and error.operation_name in _WITHOUT_ITEMS
        )
    return isinstance(error, _TOLD_BY_SDK)
