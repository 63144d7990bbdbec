"""Walking through the keys: SCAN on the server, or on each primary of the cluster in turn.

A cursor of SCAN means something to the server that gave it alone, as long as that runs, and a
cluster may move keys from a node that is still to come to one that is done. So a place is given
with the server's run id and the cluster's slots; if they have changed, the walk begins anew.
"""

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Self

import redis.exceptions as errors
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from shopify_session_storage import SessionStorageUnavailableError

from shopify_session_storage_redis.addresses import AnyClient
from shopify_session_storage_redis.client import AS_BYTES

_PLACE: Final = re.compile(r"([0-9a-f]{8})-(\d{1,4})-([0-9a-f]{8})-(\d{1,20})-(\d{1,2})")

_RUN_ID: Final = re.compile(rb"^run_id:(\w+)", re.MULTILINE)

# More than that is no failover: the server has another run id for everyone who asks.
_BEGINNINGS: Final = 10


@dataclass(frozen=True)
class Place:
    """Where a walk has come to.

    Attributes:
        slots: A digest of which slots are where; of nothing, if it is no cluster.
        node: The number of the node, by the addresses of the primaries.
        run: A digest of the run id of the node.
        cursor: The node's own cursor.
        beginnings: How often the walk has begun anew.
    """

    slots: str
    node: int
    run: str
    cursor: int
    beginnings: int = 0

    @classmethod
    def read(cls, text: str) -> Self:
        """Read what ``str()`` gives.

        Raises:
            ValueError: If it is no place.
        """
        match = _PLACE.fullmatch(text)
        if match is None:
            raise ValueError("after comes from another kind of storage")
        slots, node, run, cursor, beginnings = match.groups()
        return cls(slots, int(node), run, int(cursor), int(beginnings))

    def __str__(self) -> str:
        return f"{self.slots}-{self.node}-{self.run}-{self.cursor}-{self.beginnings}"


def pattern_of(prefix: bytes) -> bytes:
    """Return the pattern of all keys that begin with *prefix*."""
    return re.sub(rb"([][*?\\^])", rb"\\\1", prefix) + b"*"


async def next_keys(
    client: AnyClient, after: str | None, pattern: bytes, count: int
) -> tuple[list[bytes], str | None]:
    """Return about *count* keys, each once, and where to go on; None at the end.

    Two round trips, on a cluster three.

    Raises:
        ValueError: If *after* is no place.
        SessionStorageUnavailableError: If the walk had to begin anew too often.
    """
    place = None if after is None else Place.read(after)
    nodes: list[Any] = [client]
    slots = _digest(b"")
    if isinstance(client, RedisCluster):
        nodes, slots = await _primaries(client)
    number = 0 if place is None else place.node
    beginnings = 0 if place is None else place.beginnings
    cursor = 0 if place is None else place.cursor
    if place is not None and (place.slots != slots or number >= len(nodes)):
        number = cursor = 0
        beginnings += 1
    run = await _run_of(nodes[number])
    if place is not None and cursor and place.run != run:
        cursor = 0
        beginnings += 1
    if beginnings > _BEGINNINGS:
        raise SessionStorageUnavailableError(
            f"redis: the walk had to start again {_BEGINNINGS} times, because another server "
            "answered for each page"
        )
    answer = await nodes[number].execute_command(
        "SCAN", cursor, "MATCH", pattern, "COUNT", count, **AS_BYTES
    )
    cursor = int(answer[0])
    if not cursor:
        number += 1
    rest = None
    if number < len(nodes):
        rest = str(Place(slots, number, run, cursor, beginnings))
    return list(dict.fromkeys(answer[1])), rest


async def _primaries(client: RedisCluster) -> tuple[list[Any], str]:
    """Return the primaries by their addresses, and a digest of which slots they have."""
    await client.initialize()
    ranges = await _slots(client)
    if len({owner for _, _, owner in ranges}) != len(client.get_primaries()):
        await client.nodes_manager.initialize()  # it does not know of a change
        ranges = await _slots(client)
    nodes = sorted(client.get_primaries(), key=lambda node: node.name)
    return nodes, _digest(repr([ranges, [node.name for node in nodes]]).encode())


async def _slots(client: RedisCluster) -> list[tuple[int, int, bytes]]:
    """Return the ranges of slots, each with its primary, as one of the nodes has them."""
    node = min(client.get_primaries(), key=lambda node: node.name)
    answer = await node.execute_command("CLUSTER", "SLOTS", **AS_BYTES)
    # First, last, the primary, its replicas; of each the address, the port, the id and more.
    return sorted((int(one[0]), int(one[1]), bytes(one[2][2])) for one in answer)


async def _run_of(node: Redis | ClusterNode) -> str:
    """Return a digest of the server's run id; of nothing, if it does not tell."""
    text = b""
    # Not its name alone: redis-py would read the answer.
    with suppress(errors.ResponseError):
        text = await node.execute_command(b"INFO", b"server", **AS_BYTES)
    match = _RUN_ID.search(text)
    return _digest(match[1] if match else b"")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:8]
