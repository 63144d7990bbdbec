"""MongoDB servers in Docker, and two servers that speak its protocol, for where there is no Docker.

mongo-java-server keeps its data in memory, has indexes, and is fast. FerretDB keeps them in SQLite,
and finds documents by reading all of them. Neither knows users, collations or validators; tests of
those need MongoDB itself.
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
    SHORT_LIVED_JAVA,
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
PROGRAMS = ("java", "javac", "mvn")
DEBIAN_PACKAGES = ("default-jdk-headless", "maven")
DATABASE = "sessions"  # FerretDB takes letters, digits, _ and - alone
_IN_JAVA = Path(__file__).parent / "mongo_java_server"
_IN_GO = Path(__file__).parent / "ferretdb"


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
def local(directory: Path) -> Iterator[str]:
    """Run mongo-java-server, with all data in memory."""
    folder = java_classes()
    java = program("java")
    assert java is not None
    port = free_port()
    url = f"mongodb://127.0.0.1:{port}/{DATABASE}"
    options = (*SHORT_LIVED_JAVA, "-Xmx1g", "-cp", f"{folder}:{folder}/*")
    command = [java, *options, "Main", str(port)]
    with running(command, directory=directory, answers=lambda: answers(url)):
        yield url


def java_classes() -> Path:
    """Return the folder with mongo-java-server and its libraries, built once.

    Raises:
        NoServerError: If Java or Maven is missing, or fails.
    """
    need(PROGRAMS, DEBIAN_PACKAGES)
    sources = [_IN_JAVA / name for name in ("pom.xml", "Main.java")]
    return built("mongo-java-server", sources, _build_in_java)


def _build_in_java(place: Path) -> None:
    run_to_end(
        "mvn", "-B", "-q", "-f", str(_IN_JAVA / "pom.xml"), "dependency:copy-dependencies",
        f"-DoutputDirectory={place}", "-DincludeScope=runtime", directory=place,
    )  # fmt: skip
    run_to_end(
        "javac", "-cp", f"{place}/*", "-d", str(place), str(_IN_JAVA / "Main.java"), directory=place
    )


@contextmanager
def ferretdb(directory: Path, *, port: int | None = None) -> Iterator[str]:
    """Run FerretDB, which keeps its data in *directory*."""
    address = f"127.0.0.1:{port or free_port()}"
    url = f"mongodb://{address}/{DATABASE}"
    command = [str(ferretdb_binary()), "-address", address, "-directory", str(directory)]
    with running(command, directory=directory, answers=lambda: answers(url)):
        yield url


def ferretdb_binary() -> Path:
    """Return FerretDB, built once.

    Raises:
        NoServerError: If Go is missing, or fails.
    """
    need(("go",), ())  # Debian's Go can be too old to fetch the one that FerretDB needs
    sources = [_IN_GO / name for name in ("go.mod", "go.sum", "main.go", "front.go")]
    return built("ferretdb", sources, _build_in_go) / "ferretdb"


def _build_in_go(place: Path) -> None:
    go = program("go")
    assert go is not None
    run_to_end(go, "build", "-buildvcs=false", "-o", str(place / "ferretdb"), directory=_IN_GO)


def connect(url: str) -> pymongo.MongoClient[dict[str, Any]]:
    """Return a client that works without an event loop."""
    return pymongo.MongoClient(url, serverSelectionTimeoutMS=2000)


def is_mongodb(url: str) -> bool:
    """Tell whether the server is MongoDB itself."""
    with connect(url) as client:
        info = client.server_info()
        return "storageEngines" in info and "ferretdbVersion" not in info


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
    debian_packages=DEBIAN_PACKAGES,
)
