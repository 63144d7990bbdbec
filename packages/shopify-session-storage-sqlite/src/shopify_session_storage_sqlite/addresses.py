"""Where a database is: paths and URLs."""

import os
from urllib.parse import unquote


def checked_path(database: str | os.PathLike[str]) -> str:
    """Return the path of a database as text.

    Raises:
        TypeError: If it is no path.
        ValueError: If it is empty or has a NUL.
    """
    if not isinstance(database, str | os.PathLike):
        raise TypeError(
            f"database must be a path or an aiosqlite.Connection, not {type(database).__name__}"
        )
    path = os.fspath(database)
    if not isinstance(path, str):
        raise TypeError("database must be a path of str, not of bytes")
    if not path:
        raise ValueError("the path of the database must not be empty")
    if "\0" in path:
        raise ValueError("the path of the database must not contain NUL")
    return path


def path_in(url: str) -> str:
    """Return the path in ``sqlite:///relative.db``, ``sqlite:////absolute.db`` or ``sqlite://``.

    Raises:
        ValueError: If the URL names a host.
    """
    host, slash, path = url.partition("://")[2].partition("/")
    if host:
        raise ValueError(
            "an SQLite URL has no host: sqlite:///relative.db or sqlite:////absolute.db"
        )
    return unquote(path) if slash and path else ":memory:"
