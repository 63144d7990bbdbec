"""Storages by URL, through the entry points of the installed adapters."""

import re
from collections.abc import Callable
from typing import Any, Final

from shopify_session_storage.addresses import normal_scheme
from shopify_session_storage.failures import hides_arguments
from shopify_session_storage.storage import SessionStorage

_GROUP: Final = "shopify_session_storage.adapters"
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+._-]*")

# Which package serves a scheme, for those that belong to this project.
_PACKAGES: Final = {
    "memory": "memory",
    "sqlite": "sqlite",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mysql",
    "redis": "redis",
    "rediss": "redis",
    "redis+cluster": "redis",
    "rediss+cluster": "redis",
    "unix": "redis",
    "mongodb": "mongodb",
    "mongodb+srv": "mongodb",
    "dynamodb": "dynamodb",
    "cloudflare-kv": "kv-style",
}


@hides_arguments
def open_session_storage(url: str, **options: Any) -> SessionStorage:
    """Make the storage that *url* names. Does no I/O: the storage connects on first use.

    The scheme selects one of the installed adapters. Schemes of other programs work, too:
    ``postgresql+asyncpg://``, ``mariadb://``, ``valkey://``. To register an adapter of your own,
    declare an entry point in the group ``shopify_session_storage.adapters``. Its name is the
    scheme, and its value a callable that takes the URL and the options.

    Args:
        url: Such as ``sqlite:///sessions.db`` or ``postgresql://user:password@host/database``.
        options: The options of the adapter's class, such as ``on_error="raise"``.

    Raises:
        TypeError: If *url* is not a str or the adapter has no such option.
        ValueError: If the URL has no scheme, or no installed adapter serves it; the message names
            the package to install. Also if the adapter cannot use the URL.
    """
    if not isinstance(url, str):
        raise TypeError(f"url must be a str, not {type(url).__name__}")
    given, separator, _ = url.partition("://")
    # Messages name the scheme alone, since the rest may hold a password.
    if not separator or not _SCHEME.fullmatch(given.lower()):
        raise ValueError("the URL of a session storage begins with a scheme, such as sqlite:///")
    normal = normal_scheme(url)
    # A third party may serve a spelling that is another one's for us.
    for scheme, spelled in ((given.lower(), url), (normal.partition("://")[0], normal)):
        make = _adapter(scheme)
        if make is not None:
            return make(spelled, **options)
    raise ValueError(_not_installed(normal.partition("://")[0]))


def _adapter(scheme: str) -> Callable[..., SessionStorage] | None:
    from importlib.metadata import entry_points  # slow to import, and needed here alone

    make: Callable[..., SessionStorage]
    for entry_point in entry_points(group=_GROUP, name=scheme):
        make = entry_point.load()
        return make
    if scheme not in _PACKAGES:
        return None
    # In some bundles, for AWS Lambda or of PyInstaller, installed packages have no metadata.
    from importlib import import_module
    from importlib.util import find_spec

    name = f"shopify_session_storage_{_PACKAGES[scheme].replace('-', '_')}"
    if find_spec(name) is None:
        return None
    make = import_module(name).open_url
    return make


def _not_installed(scheme: str) -> str:
    from importlib.metadata import entry_points

    if scheme in _PACKAGES:
        return (
            f"no adapter for {scheme}:// is installed; "
            f"pip install shopify-session-storage-{_PACKAGES[scheme]}"
        )
    installed = ", ".join(sorted({point.name for point in entry_points(group=_GROUP)}))
    return f"no adapter for {scheme}:// is installed; installed are: {installed or 'none'}"
