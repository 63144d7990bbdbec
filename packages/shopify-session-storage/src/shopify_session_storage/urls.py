"""Storages by URL, through the entry points of the installed adapters."""

import re
from typing import Any, Final

from shopify_session_storage.storage import SessionStorage

_GROUP: Final = "shopify_session_storage.adapters"
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+._-]*")

# Which package to install for a scheme that none of the installed ones serves.
_PACKAGES: Final = {
    "memory": "memory",
    "sqlite": "sqlite",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mysql",
    "redis": "redis",
    "rediss": "redis",
    "redis+cluster": "redis",
    "mongodb": "mongodb",
    "mongodb+srv": "mongodb",
    "dynamodb": "dynamodb",
    "cloudflare-kv": "kv-style",
}


def url_with_credentials(
    scheme: str, host: str, port: int, username: str, password: str, path: str
) -> str:
    """Return the URL of a server, for adapters that take its parts, too.

    Args:
        scheme: What it begins with.
        host: A name or an address, of version 6 too.
        port: The server's port.
        username: Who connects.
        password: Their password.
        path: What follows the slash, such as the name of the database.
    """
    from urllib.parse import quote  # slow to import, and needed here alone

    address = f"[{host}]" if ":" in host else quote(host, safe="")
    login = f"{quote(username, safe='')}:{quote(password, safe='')}"
    return f"{scheme}://{login}@{address}:{port}/{quote(path, safe='')}"


def open_session_storage(url: str, **options: Any) -> SessionStorage:
    """Make the storage that *url* names. Does no I/O; the storage connects on first use.

    The scheme selects the adapter among those installed. Third parties register theirs in the
    entry point group ``shopify_session_storage.adapters``: the scheme is the name, the value a
    callable that takes the URL and the options.

    Args:
        url: Such as ``sqlite:///sessions.db`` or ``postgresql://user:password@host/database``.
        options: The options of the adapter's class, such as ``on_error="raise"``.

    Raises:
        TypeError: If *url* is not a str or the adapter has no such option.
        ValueError: If the URL has no scheme, or no installed adapter serves it; the message names
            the package to install.
    """
    from importlib.metadata import entry_points  # slow to import, and needed here alone

    if not isinstance(url, str):
        raise TypeError(f"url must be a str, not {type(url).__name__}")
    scheme, separator, _ = url.partition("://")
    scheme = scheme.lower()
    # Messages name the scheme alone, since the rest may hold a password.
    if not separator or not _SCHEME.fullmatch(scheme):
        raise ValueError("the URL of a session storage begins with a scheme, such as sqlite:///")
    for entry_point in entry_points(group=_GROUP, name=scheme):
        storage: SessionStorage = entry_point.load()(url, **options)
        return storage
    if scheme in _PACKAGES:
        raise ValueError(
            f"no adapter for {scheme}:// is installed; "
            f"pip install shopify-session-storage-{_PACKAGES[scheme]}"
        )
    installed = ", ".join(sorted({point.name for point in entry_points(group=_GROUP)}))
    raise ValueError(
        f"no adapter for {scheme}:// is installed; installed are: {installed or 'none'}"
    )
