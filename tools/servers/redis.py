"""A Redis server. Sister modules have a cluster, one with TLS, one that Sentinel watches."""

import hashlib
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from servers.discovery import (
    PASSWORD,
    USER,
    Server,
    free_port,
    need,
    program,
    running,
    wait_until,
)

IMAGE = "redis:8"
PROGRAMS = ("redis-server",)
DEBIAN_PACKAGES = ("redis-server",)

# One user with a password, and nobody else; nothing is kept on disk. The default user keeps its
# rights, with which Redis 7.0 reads its append-only file, but nobody can log in as it.
_PASSWORD_HASH = hashlib.sha256(PASSWORD.encode()).hexdigest()
SETTINGS = (
    "--save", "", "--appendonly", "no", "--protected-mode", "no",
    "--user", USER, "on", f"#{_PASSWORD_HASH}", "~*", "&*", "+@all",
    "--user", "default", "off", "~*", "&*", "+@all",
)  # fmt: skip


def url_of(host: str, port: int, scheme: str = "redis") -> str:
    """Return the URL of a test server."""
    return f"{scheme}://{quote(USER, safe='')}:{quote(PASSWORD, safe='')}@{host}:{port}"


@contextmanager
def container() -> Iterator[str]:
    """Run Redis in Docker."""
    from testcontainers.core.container import DockerContainer

    server = DockerContainer(
        IMAGE, command=shlex.join(["redis-server", *SETTINGS])
    ).with_exposed_ports(6379)
    with server:
        url = url_of(server.get_container_host_ip(), int(server.get_exposed_port(6379)))
        wait_until(lambda: answers(url), IMAGE)
        yield url


@contextmanager
def local(directory: Path, *settings: str, port: int | None = None) -> Iterator[str]:
    """Run Redis from a local binary, with further settings such as ``--appendonly yes``."""
    need(PROGRAMS, DEBIAN_PACKAGES)
    port = port or free_port()
    url = url_of("127.0.0.1", port)
    with run(directory, "redis-server", "--port", str(port), *SETTINGS, *settings, url=url):
        yield url


@contextmanager
def run(directory: Path, name: str, *arguments: str, url: str) -> Iterator[None]:
    """Run a program of Redis until it answers at *url*."""
    binary = program(name)
    assert binary is not None
    command = [binary, *arguments, "--bind", "127.0.0.1", "--dir", str(directory)]
    with running(command, directory=directory, answers=lambda: answers(url)):
        yield


def connect(url: str) -> redis.Redis:
    """Return a client that works without an event loop."""
    return redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0))


def answers(url: str) -> bool:
    """Tell whether a server takes commands."""
    try:
        with connect(url) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError):
        return False


REDIS = Server(
    name="redis",
    variable="SHOPIFY_SESSION_STORAGE_REDIS_URL",
    container=container,
    local=local,
    programs=PROGRAMS,
    debian_packages=DEBIAN_PACKAGES,
)
