"""Redis servers: one alone, a cluster, one with TLS, and one that Sentinel watches."""

import hashlib
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
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
MASTER_NAME = "sessions"

# One user with a password, and nobody else; nothing is kept on disk. The default user keeps its
# rights, with which Redis 7.0 reads its append-only file, but nobody can log in as it.
_PASSWORD_HASH = hashlib.sha256(PASSWORD.encode()).hexdigest()
_SETTINGS = (
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
        IMAGE, command=shlex.join(["redis-server", *_SETTINGS])
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
    with _running(directory, "redis-server", "--port", str(port), *_SETTINGS, *settings, url=url):
        yield url


@contextmanager
def _running(directory: Path, name: str, *arguments: str, url: str) -> Iterator[None]:
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


# --- cluster --------------------------------------------------------------------------------------


@contextmanager
def cluster(directory: Path, masters: int = 3) -> Iterator[str]:
    """Run a cluster of masters on the loopback interface, and give the URL of one of them."""
    need(PROGRAMS, DEBIAN_PACKAGES)
    ports = [(free_port(), free_port()) for _ in range(masters)]  # for clients, for other nodes
    with ExitStack() as stack:
        for port, bus_port in ports:
            place = directory / str(port)
            place.mkdir()
            settings = (
                *("--cluster-enabled", "yes", "--cluster-port", str(bus_port)),
                *("--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "2000"),
            )
            stack.enter_context(local(place, *settings, port=port))
        _join(ports)
        yield url_of("127.0.0.1", ports[0][0], "redis+cluster")


def _join(ports: Sequence[tuple[int, int]]) -> None:
    nodes: list[Any] = [connect(url_of("127.0.0.1", port)) for port, _ in ports]
    step = -(-16384 // len(nodes))
    for number, node in enumerate(nodes):
        last = min((number + 1) * step, 16384) - 1
        node.execute_command("CLUSTER", "ADDSLOTSRANGE", number * step, last)
        node.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
    for port, bus_port in ports[1:]:
        nodes[0].execute_command("CLUSTER", "MEET", "127.0.0.1", port, bus_port)

    def is_whole(node: Any) -> bool:
        info = str(node.execute_command("CLUSTER", "INFO"))
        return "cluster_state:ok" in info and f"cluster_known_nodes:{len(nodes)}" in info

    wait_until(lambda: all(map(is_whole, nodes)), "the Redis cluster")
    for node in nodes:
        node.close()


# --- TLS ------------------------------------------------------------------------------------------


@contextmanager
def tls(directory: Path) -> Iterator[str]:
    """Run Redis with TLS alone; the URL names the certificate of its authority."""
    import trustme

    need(PROGRAMS, DEBIAN_PACKAGES)
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    ca, own, key = (directory / name for name in ("ca.pem", "server.pem", "key.pem"))
    authority.cert_pem.write_to_path(str(ca))
    certificate.private_key_pem.write_to_path(str(key))
    certificate.cert_chain_pems[0].write_to_path(str(own))
    port = free_port()
    url = f"{url_of('localhost', port, 'rediss')}?ssl_ca_certs={quote(str(ca))}"
    with _running(
        directory, "redis-server", "--port", "0", "--tls-port", str(port), *_SETTINGS,
        "--tls-cert-file", str(own), "--tls-key-file", str(key), "--tls-ca-cert-file", str(ca),
        "--tls-auth-clients", "no", url=url,
    ):  # fmt: skip
        yield url


# --- Sentinel -------------------------------------------------------------------------------------


@dataclass
class Watched:
    """A master and its replica, watched by one Sentinel.

    Attributes:
        sentinel: Address of the Sentinel.
        stop_master: Ends the master, so that the replica takes over.
    """

    sentinel: tuple[str, int]
    stop_master: Callable[[], None]


@contextmanager
def watched(directory: Path) -> Iterator[Watched]:
    """Run a master, a replica and a Sentinel, which calls the master ``sessions``."""
    need([*PROGRAMS, "redis-sentinel"], [*DEBIAN_PACKAGES, "redis-sentinel"])
    places = [directory / name for name in ("master", "replica", "sentinel")]
    for place in places:
        place.mkdir()
    port, sentinel_port = free_port(), free_port()
    login = ("--masteruser", USER, "--masterauth", PASSWORD)
    with ExitStack() as master, ExitStack() as others:
        master.enter_context(local(places[0], *login, "--repl-diskless-sync-delay", "0", port=port))
        others.enter_context(local(places[1], *login, "--replicaof", f"127.0.0.1 {port}"))
        wait_until(lambda: _replicates(port), "the Redis replica")
        settings = places[2] / "sentinel.conf"
        settings.write_text(
            f"""sentinel monitor {MASTER_NAME} 127.0.0.1 {port} 1
sentinel auth-user {MASTER_NAME} {USER}
sentinel auth-pass {MASTER_NAME} "{PASSWORD}"
sentinel down-after-milliseconds {MASTER_NAME} 500
sentinel failover-timeout {MASTER_NAME} 3000
"""
        )
        others.enter_context(
            _running(
                places[2],
                "redis-sentinel",
                str(settings),
                "--port",
                str(sentinel_port),
                url=f"redis://127.0.0.1:{sentinel_port}",
            )
        )
        with connect(f"redis://127.0.0.1:{sentinel_port}") as sentinel:
            wait_until(lambda: _knows_replica(sentinel), "the Sentinel")
        yield Watched(("127.0.0.1", sentinel_port), master.close)


def _replicates(port: int) -> bool:
    with connect(url_of("127.0.0.1", port)) as master:
        return _part_of_info(master, "replication", "slave0", "state") == "online"


def _knows_replica(sentinel: redis.Redis) -> bool:
    return _part_of_info(sentinel, "sentinel", "master0", "slaves") == 1


def _part_of_info(server: redis.Redis, section: str, name: str, part: str) -> object:
    info: Any = server.info(section)
    return info.get(name, {}).get(part)
