"""MongoDB servers in Docker, and FerretDB servers built from source.

FerretDB speaks MongoDB's protocol and keeps its data in SQLite. It finds documents by reading all
of them, and knows neither users nor collations; tests of those need MongoDB itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pymongo
from pymongo.errors import PyMongoError

from servers.discovery import (
    PASSWORD,
    USER,
    Server,
    built,
    free_port,
    need,
    program,
    run_to_end,
    running,
    wait_until,
)

IMAGE = "mongo:8"
PROGRAMS = ("go",)
DATABASE = "sessions"  # FerretDB takes letters, digits, _ and - alone
_SOURCES = Path(__file__).parent / "ferretdb"


@contextmanager
def container() -> Iterator[str]:
    """Run MongoDB in Docker, with one user, who may do everything."""
    from testcontainers.core.container import DockerContainer

    server = DockerContainer(IMAGE).with_exposed_ports(27017)
    server.with_env("MONGO_INITDB_ROOT_USERNAME", USER)
    server.with_env("MONGO_INITDB_ROOT_PASSWORD", PASSWORD)
    with server:
        login = f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}"
        address = f"{server.get_container_host_ip()}:{server.get_exposed_port(27017)}"
        url = f"mongodb://{login}@{address}/{DATABASE}?authSource=admin"
        wait_until(lambda: answers(url), IMAGE)
        yield url


@contextmanager
def local(directory: Path, *, port: int | None = None) -> Iterator[str]:
    """Run FerretDB, which keeps its data in *directory*."""
    need(PROGRAMS, ())
    sources = [_SOURCES / name for name in ("go.mod", "go.sum", "main.go", "front.go")]
    binary = built("ferretdb", sources, _build) / "ferretdb"
    address = f"127.0.0.1:{port or free_port()}"
    url = f"mongodb://{address}/{DATABASE}"
    command = [str(binary), "-address", address, "-directory", str(directory)]
    with running(command, directory=directory, answers=lambda: answers(url)):
        yield url


def _build(place: Path) -> None:
    go = program("go")
    assert go is not None
    run_to_end(go, "build", "-buildvcs=false", "-o", str(place / "ferretdb"), directory=_SOURCES)


def connect(url: str) -> pymongo.MongoClient[dict[str, Any]]:
    """Return a client that works without an event loop."""
    return pymongo.MongoClient(url, serverSelectionTimeoutMS=2000)


def is_mongodb(url: str) -> bool:
    """Tell whether the server is MongoDB itself."""
    with connect(url) as client:
        return "ferretdbVersion" not in client.server_info()


def answers(url: str) -> bool:
    """Tell whether a server takes commands."""
    try:
        with connect(url) as client:
            client.admin.command("ping")
    except PyMongoError:
        return False
    return True


MONGODB = Server(
    name="mongodb",
    variable="SHOPIFY_SESSION_STORAGE_MONGODB_URL",
    container=container,
    local=local,
    programs=PROGRAMS,
    debian_packages=(),  # Debian's Go can be too old to fetch the one that FerretDB needs
)
