"""What the failures of asyncpg and of the server mean, and how they are worded."""

from typing import Final, NamedTuple

import asyncpg
from asyncpg.exceptions._base import DataError as ClientDataError
from shopify_session_storage import Verdict

LOST, CONFLICT, DATA = Verdict.LOST, Verdict.CONFLICT, Verdict.DATA
DENIED, UNAVAILABLE = Verdict.DENIED, Verdict.UNAVAILABLE


class Failure(NamedTuple):
    """What one SQLSTATE means.

    Attributes:
        name: PostgreSQL's name for it.
        verdict: What is to be done about it.
        why: One line for people.
    """

    name: str
    verdict: Verdict
    why: str


# By SQLSTATE, or by its first two characters, which are its class. The longer one counts.
FAILURES: Final = {
    "08": Failure("connection_exception", LOST, "the connection is gone"),
    "0A000": Failure("feature_not_supported", UNAVAILABLE, "the server cannot do that"),
    "21": Failure("cardinality_violation", DATA, "one statement names a row twice"),
    "22": Failure("data_exception", DATA, "a value does not fit its column"),
    "22P05": Failure("untranslatable_character", DATA, "the database's encoding lacks a character"),
    "23": Failure("integrity_constraint_violation", DATA, "a constraint of the table refuses it"),
    "25": Failure("invalid_transaction_state", LOST, "the connection is in somebody's transaction"),
    "25006": Failure("read_only_sql_transaction", LOST, "the server takes no writes"),
    "25P03": Failure("idle_in_transaction_session_timeout", LOST, "the server closed it as idle"),
    "26": Failure("invalid_sql_statement_name", LOST, "the server has forgotten the statement"),
    "28": Failure("invalid_authorization", DENIED, "the user may not log in"),
    "34": Failure("invalid_cursor_name", LOST, "the server has forgotten the cursor"),
    "3D": Failure("invalid_catalog_name", UNAVAILABLE, "there is no such database"),
    "3F": Failure("invalid_schema_name", UNAVAILABLE, "there is no such schema"),
    "40": Failure("transaction_rollback", CONFLICT, "another transaction won"),
    "40003": Failure("statement_completion_unknown", LOST, "nobody knows whether it took effect"),
    "42501": Failure("insufficient_privilege", DENIED, "the user may not"),
    "42P01": Failure("undefined_table", UNAVAILABLE, "the table is gone"),
    "42P05": Failure("duplicate_prepared_statement", LOST, "the name is another client's"),
    "42P10": Failure("invalid_column_reference", UNAVAILABLE, "the table has no key on its ids"),
    "44": Failure("with_check_option_violation", DATA, "a view refuses it"),
    "53": Failure("insufficient_resources", UNAVAILABLE, "the server has no room for it"),
    "53300": Failure("too_many_connections", CONFLICT, "too many connections right now"),
    "54": Failure("program_limit_exceeded", DATA, "a value is too large for the server"),
    "55P03": Failure("lock_not_available", CONFLICT, "somebody else holds a lock on it"),
    "57014": Failure("query_canceled", UNAVAILABLE, "the server gave up: it took too long"),
    "57P01": Failure("admin_shutdown", LOST, "the server ended the connection"),
    "57P02": Failure("crash_shutdown", LOST, "the server has crashed"),
    "57P03": Failure("cannot_connect_now", LOST, "the server is starting or stopping"),
    "57P04": Failure("database_dropped", LOST, "the database is gone"),
    "57P05": Failure("idle_session_timeout", LOST, "the server closed it as idle"),
    "58": Failure("system_error", UNAVAILABLE, "the server's machine fails"),
    "P0": Failure("plpgsql_error", DATA, "a trigger of the table refuses it"),
    "XX": Failure("internal_error", UNAVAILABLE, "the server, or a pooler in front of it, fails"),
}

# What the driver raises without a word of the server. The first that fits counts.
DRIVER_FAILURES: Final[tuple[tuple[type[Exception], Failure], ...]] = (
    # "cached statement plan is invalid": the table has been altered
    (asyncpg.InvalidCachedStatementError, Failure("cached_plan", LOST, "the table was altered")),
    (ClientDataError, Failure("data_error", DATA, "a value does not fit its column")),
    (asyncpg.ClientConfigurationError, Failure("configuration", UNAVAILABLE, "a wrong option")),
    (asyncpg.InterfaceError, Failure("interface_error", LOST, "the connection is closed")),
    (asyncpg.InternalClientError, Failure("client_error", LOST, "the connection broke in use")),
    (OSError, Failure("network", LOST, "the server cannot be reached")),
)

# All classes of SQLSTATE that PostgreSQL has. One of its own is what a trigger's author made up.
_CLASSES: Final = frozenset({
    "00", "01", "02", "03", "08", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "10", "20", "21", "22",
    "23", "24", "25", "26", "27", "28", "2B", "2D", "2F", "34", "38", "39", "3B", "3D", "3F", "40",
    "42", "44", "53", "54", "55", "57", "58", "72", "F0", "HV", "P0", "XX",
})  # fmt: skip

_OTHER: Final = Failure("other", UNAVAILABLE, "")
_USERS: Final = Failure("user_defined", DATA, "a trigger of the table refuses it")

DRIVER_ERRORS: Final[tuple[type[Exception], ...]] = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
# What stops a migration for a moment: the official adapter may be creating the same tables, without
# a lock, and a table that somebody uses is not waited for, because all others would wait behind us.
RACE_ERRORS: Final[tuple[type[Exception], ...]] = (
    asyncpg.UniqueViolationError,
    asyncpg.DuplicateTableError,
    asyncpg.DuplicateColumnError,
    asyncpg.DuplicateObjectError,
    asyncpg.DuplicateSchemaError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
)


def failure_of(error: BaseException) -> Failure:
    """Return what an error means."""
    for kind, failure in DRIVER_FAILURES:
        if isinstance(error, kind):
            return failure
    code = getattr(error, "sqlstate", None) or ""
    other = _USERS if code and code[:2] not in _CLASSES else _OTHER
    return FAILURES.get(code) or FAILURES.get(code[:2]) or other


def is_lost(error: BaseException) -> bool:
    """Tell whether the connection must not be used again, also if whoever waited was cancelled."""
    if not isinstance(error, Exception) or failure_of(error).verdict is Verdict.LOST:
        return True
    # What asyncpg refuses by itself has no severity. It has prepared the statement by then, and the
    # server waits for the values, in a transaction that holds a lock on the table.
    kinds = (asyncpg.exceptions.DataError, ClientDataError)
    return isinstance(error, kinds) and getattr(error, "severity", None) is None


def describe(error: Exception) -> str:
    """Describe an error by its code and cause, in words that hold no stored value."""
    code = getattr(error, "sqlstate", None)
    kind = type(error).__name__ + (f" ({code})" if code else "")
    failure = failure_of(error)
    if failure.verdict is Verdict.DATA:
        # The server's message, and the driver's, can hold the value.
        constraint = getattr(error, "constraint_name", None)
        return f"{kind}: {failure.why}" + (f": {constraint}" if constraint else "")
    words = error.args[0] if isinstance(error, asyncpg.PostgresError) and error.args else error
    return ": ".join(filter(None, (kind, str(words) or failure.why)))


def scrub(error: Exception) -> None:
    """Remove stored values from an error."""
    if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError):
        words = describe(error)
        # "DETAIL: Failing row contains (...)", and "CONTEXT: ... parameter $7 = '...'"
        for name in ("detail", "hint", "context", "internal_query", "query"):
            if getattr(error, name, None) is not None:
                setattr(error, name, None)
        if failure_of(error).verdict is Verdict.DATA:
            error.args = (words,)
            if getattr(error, "message", None) is not None:
                setattr(error, "message", None)  # noqa: B010  # an attribute of some
