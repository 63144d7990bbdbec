"""A cluster of Redis servers."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from servers.discovery import free_port, need, wait_until
from servers.redis import DEBIAN_PACKAGES, PROGRAMS, connect, local, url_of


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
