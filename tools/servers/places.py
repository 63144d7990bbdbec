"""A storage of its own on the server of any backend, as a URL with options."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from servers.proxy import Proxy

NETWORKED = ("postgresql", "mysql", "redis", "mongodb", "dynamodb", "kv")
"""The backends with a server, by the names of their fixtures."""

_LOCAL_ADDRESS = re.compile(r"(localhost|127\.0\.0\.1):(\d+)")


def place(backend: str, url: str, directory: Path, name: str | None = None) -> tuple[str, Any]:
    """Return the URL and the options of a storage that no other test uses.

    Args:
        backend: One of :data:`NETWORKED`, or ``"sqlite"``.
        url: The address of its server.
        directory: For files.
        name: The name of its table or the like, to come back to it.
    """
    name = name or f"place_{uuid4().hex}"
    options: dict[str, Any] = {"on_error": "raise"}
    if backend == "sqlite":
        return f"sqlite:///{(directory / f'{name}.db').as_posix()}", options
    if backend == "redis":
        options["session_key_prefix"] = name
    elif backend == "mongodb":
        options["session_collection_name"] = name
    elif backend == "dynamodb":
        keys = {"aws_access_key_id": "tester", "aws_secret_access_key": "sekret"}
        # Nothing is encrypted here, and loading certificates takes long.
        options |= {"client_options": {**keys, "verify": False}, "create_table": True}
        url = f"dynamodb://eu-west-1/{name}?endpoint_url={url}"
    elif backend != "kv":
        options["session_table_name"] = name
    return url, options


@asynccontextmanager
async def behind_proxy(url: str) -> AsyncIterator[tuple[str, Proxy]]:
    """Give the URL of a server behind a proxy, and the proxy."""
    found = _LOCAL_ADDRESS.search(url)
    assert found is not None
    async with Proxy(found[1], int(found[2])) as proxy:
        yield url.replace(found[0], f"127.0.0.1:{proxy.port}"), proxy
