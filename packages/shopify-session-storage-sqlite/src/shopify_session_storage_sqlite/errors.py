"""What SQLite's failures mean, and how they are worded."""

import sqlite3
from typing import Final

from shopify_session_storage import Verdict

# By SQLite's primary result code. All else is unavailable: I/O errors, a full disk, a damaged file.
# Nothing is lost: a connection to a file goes on after every failure.
_VERDICTS: Final = {
    # Somebody holds a lock. They have been waited for, within the time limit: connections.py.
    sqlite3.SQLITE_BUSY: Verdict.UNAVAILABLE,
    sqlite3.SQLITE_LOCKED: Verdict.UNAVAILABLE,
    # Passing: another process opens the WAL, changes a table, or has interrupted the statement.
    sqlite3.SQLITE_PROTOCOL: Verdict.CONFLICT,
    sqlite3.SQLITE_SCHEMA: Verdict.CONFLICT,
    sqlite3.SQLITE_ABORT: Verdict.CONFLICT,
    sqlite3.SQLITE_INTERRUPT: Verdict.CONFLICT,
    # One session's values: too large, or against what a table of the user's demands.
    sqlite3.SQLITE_TOOBIG: Verdict.DATA,
    sqlite3.SQLITE_CONSTRAINT: Verdict.DATA,
    sqlite3.SQLITE_MISMATCH: Verdict.DATA,
    # The file, its directory or the user's own authorizer forbids it.
    sqlite3.SQLITE_PERM: Verdict.DENIED,
    sqlite3.SQLITE_READONLY: Verdict.DENIED,
    sqlite3.SQLITE_AUTH: Verdict.DENIED,
}


def verdict(error: Exception) -> Verdict:
    """Tell what an error means."""
    # Python's own, about a parameter, has no code.
    unfit = isinstance(error, sqlite3.DataError | sqlite3.InterfaceError)
    return _VERDICTS.get(_code(error), Verdict.DATA if unfit else Verdict.UNAVAILABLE)


def is_locked(error: BaseException) -> bool:
    """Tell whether another connection holds a lock."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def describe(error: Exception, path: str) -> str:
    """Word an error, without any stored value."""
    where = f" ({path})" if path else ""
    return f"{_text(error)}{where}"


def scrub(error: Exception) -> None:
    """Take a stored value out of an error."""
    if _may_quote(error):
        error.args = (_text(error),)


def _code(error: BaseException) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def _text(error: Exception) -> str:
    name: str | None = getattr(error, "sqlite_errorname", None)
    if _may_quote(error):
        return name or type(error).__name__
    # SQLite's messages name tables and columns, never values.
    return f"{error} ({name})" if name else str(error)


def _may_quote(error: Exception) -> bool:
    # The text of a trigger is its author's, who may put anything there.
    code = getattr(error, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_CONSTRAINT_TRIGGER or "decode" in str(error)
