"""A Redis server that Sentinel watches."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from servers.discovery import PASSWORD, USER, free_port, need, wait_until
from servers.redis import DEBIAN_PACKAGES, PROGRAMS, connect, local, run, url_of

MASTER_NAME = "sessions"


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
            run(
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
