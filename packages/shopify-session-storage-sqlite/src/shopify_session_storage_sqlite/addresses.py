"""Where a database is: paths and URLs."""

import os
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import unquote

from shopify_session_storage import UrlParameters

IN_MEMORY = ":memory:"


def checked_path(database: str | os.PathLike[str]) -> str:
    """Return the path of a database as text.

    Raises:
        TypeError: If it is no path.
        ValueError: If it is empty, has a NUL, or is a URL.
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
    if path.startswith("file:") or "://" in path:
        raise ValueError("database is a path; open_session_storage() takes sqlite:/// URLs")
    return path


@dataclass(frozen=True)
class Address:
    """What a URL says.

    Attributes:
        path: The file, or ``":memory:"``.
        create: Whether to create the file if it does not exist.
        timeout: How long a call may take; None if the URL does not say.
        layout: Whose table it is; None if the URL does not say.
    """

    path: str
    create: bool
    timeout: timedelta | None
    layout: str | None


def read_url(url: str) -> Address:
    """Read ``sqlite:///relative.db``, ``sqlite:////absolute.db`` or ``sqlite://``.

    The parameters are those of SQLite's own URIs, of SQLAlchemy and of Prisma. A path that
    begins with ``file:`` is such a URI.

    Raises:
        ValueError: If it names a host, or has a parameter that is not known or cannot be honoured.
    """
    rest, _, query = url.partition("://")[2].partition("?")
    host, _, quoted = rest.partition("/")
    if host:
        raise ValueError(
            "an SQLite URL has no host: sqlite:///relative.db or sqlite:////absolute.db"
        )
    parameters = UrlParameters("SQLite", query)
    mode = parameters.text("mode") or "rwc"
    cache = parameters.text("cache") or "private"
    seconds = parameters.seconds("timeout", "socket_timeout")
    layout = parameters.text("layout")
    # Of Python's sqlite3 and of Prisma: about threads, transactions and pools, which are ours.
    parameters.accept(
        "uri", "check_same_thread", "isolation_level", "cached_statements", "detect_types",
        "connection_limit", "pool_timeout", "connect_timeout",
    )  # fmt: skip
    parameters.finish()
    if mode not in ("rwc", "rw", "memory"):
        raise ValueError(f"the SQLite URL has mode={mode}; sessions need rwc, rw or memory")
    if cache != "private":
        raise ValueError(f"the SQLite URL has cache={cache}; only private is possible")
    if seconds == 0:
        raise ValueError("the timeout of the SQLite URL must be positive")
    path = unquote(quoted).removeprefix("file:") or IN_MEMORY
    return Address(
        IN_MEMORY if mode == "memory" else path,
        create=mode != "rw",
        timeout=None if seconds is None else timedelta(seconds=seconds),
        layout=layout,
    )
