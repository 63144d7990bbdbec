"""What SQLite's failures mean, and how they are worded."""

import sqlite3


def is_locked(error: BaseException) -> bool:
    """Tell whether another connection holds a lock."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def describe(error: Exception, path: str) -> str:
    """Word an error, without any stored value."""
    where = f" ({path})" if path else ""
    return f"{_text(error)}{where}"


def scrub(error: Exception) -> None:
    """Take a stored value out of an error."""
    if _may_quote(error):
        error.args = (_text(error),)


def _text(error: Exception) -> str:
    name = getattr(error, "sqlite_errorname", None)
    if _may_quote(error):
        return name or type(error).__name__
    # SQLite's messages name tables and columns, never values.
    return f"{error} ({name})" if name else str(error)


def _may_quote(error: Exception) -> bool:
    # The text of a trigger is its author's, who may put anything there.
    code = getattr(error, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_CONSTRAINT_TRIGGER or "decode" in str(error)
