"""What the failures of asyncpg and of the server mean, and how they are worded."""

from typing import Final

import asyncpg
from asyncpg.exceptions._base import DataError as ClientDataError

DRIVER_ERRORS: Final[tuple[type[Exception], ...]] = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
CONNECTION_ERRORS: Final[tuple[type[Exception], ...]] = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InterfaceError,  # such as "connection is closed"
    asyncpg.InternalClientError,  # when the server ends a connection as it is being used
    OSError,
)
DATA_ERRORS: Final[tuple[type[Exception], ...]] = (
    asyncpg.exceptions.DataError,
    asyncpg.IntegrityConstraintViolationError,
    ClientDataError,
)
# The official adapter may be creating the same tables at this moment, without a lock.
RACE_ERRORS: Final[tuple[type[Exception], ...]] = (
    asyncpg.UniqueViolationError,
    asyncpg.DuplicateTableError,
    asyncpg.DuplicateColumnError,
    asyncpg.DuplicateObjectError,
    asyncpg.DuplicateSchemaError,
    asyncpg.DeadlockDetectedError,
)


def describe(error: Exception) -> str:
    """Describe an error in words that hold no stored value."""
    code = getattr(error, "sqlstate", None)
    kind = type(error).__name__ + (f" ({code})" if code else "")
    # The message of a refused value, or of a trigger, can hold the value.
    if isinstance(error, (*DATA_ERRORS, asyncpg.PLPGSQLError)) or not error.args:
        return kind
    return f"{kind}: {error.args[0] if isinstance(error, asyncpg.PostgresError) else error}"


def scrub(error: Exception) -> None:
    """Remove stored values from an error."""
    if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError):
        # "DETAIL: Failing row contains (...)", and "CONTEXT: ... parameter $7 = '...'"
        for name in ("detail", "hint", "context", "internal_query", "query"):
            if getattr(error, name, None) is not None:
                setattr(error, name, None)
        if isinstance(error, (*DATA_ERRORS, asyncpg.PLPGSQLError)):
            error.args = (describe(error),)
            if getattr(error, "message", None) is not None:
                setattr(error, "message", None)  # noqa: B010  # an attribute of some
