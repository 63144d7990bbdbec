"""AWS's DynamoDB Local, in Docker and on a local Java."""

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from servers.discovery import (
    SHORT_LIVED_JAVA,
    Server,
    built,
    free_port,
    need,
    program,
    run_to_end,
    running,
    wait_until,
)

IMAGE = "amazon/dynamodb-local:3.1.0"
PROGRAMS = ("java", "mvn")
DEBIAN_PACKAGES = ("default-jre-headless", "maven")

# One database for all regions and accounts; any credentials open it.
_OPTIONS = ("-sharedDb", "-disableTelemetry")
_POM = Path(__file__).with_name("dynamodb_local") / "pom.xml"
_MAIN = "software.amazon.dynamodb.services.local.main.ServerRunner"


@contextmanager
def container() -> Iterator[str]:
    """Run DynamoDB Local in Docker."""
    from testcontainers.core.container import DockerContainer

    server = DockerContainer(
        IMAGE, command=f"-jar DynamoDBLocal.jar -inMemory {' '.join(_OPTIONS)}"
    ).with_exposed_ports(8000)
    with server:
        url = f"http://{server.get_container_host_ip()}:{server.get_exposed_port(8000)}"
        wait_until(lambda: answers(url), IMAGE)
        yield url


@contextmanager
def local(directory: Path) -> Iterator[str]:
    """Run DynamoDB Local, with all data in memory."""
    with serve(directory, free_port(), "-inMemory") as url:
        yield url


@contextmanager
def serve(directory: Path, port: int, *options: str) -> Iterator[str]:
    """Run DynamoDB Local with further options, such as ``-dbPath``."""
    folder = jars()
    java = program("java")
    assert java is not None
    command = [java, *SHORT_LIVED_JAVA, "-Xmx1g", f"-Djava.library.path={folder}",
               "-cp", f"{folder}/*", _MAIN, "-port", str(port), *_OPTIONS, *options]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    with running(command, directory=directory, answers=lambda: answers(url)):
        yield url


def jars() -> Path:
    """Return the folder with the program and its libraries, fetched once.

    Raises:
        NoServerError: If Java or Maven is missing, or fails.
    """
    need(PROGRAMS, DEBIAN_PACKAGES)
    return built("dynamodb-local", [_POM], _collect)


def _collect(folder: Path) -> None:
    """Put the program and the libraries that it needs into *folder*."""
    run_to_end(
        "mvn", "-B", "-q", "-f", str(_POM), "dependency:copy-dependencies",
        f"-DoutputDirectory={folder}", "-DincludeScope=runtime", directory=folder,
    )  # fmt: skip


def answers(url: str) -> bool:
    """Tell whether a server answers requests."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 400  # it has no credentials
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


DYNAMODB = Server(
    name="dynamodb",
    variable="SHOPIFY_SESSION_STORAGE_DYNAMODB_URL",
    container=container,
    local=local,
    programs=PROGRAMS,
    debian_packages=DEBIAN_PACKAGES,
)
