"""Where Redis is: URLs, options, and redis-py's clients of them."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import redis.exceptions as errors
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from shopify_session_storage_redis.client import AnyClient

# Options of redis-py's client that differ from its own, or that differ between its versions. In
# seconds: a host that does not answer is given up before the caller's own request is. Lost
# connections are repeated once by BaseSessionStorage, and on a fresh one.
_OPTIONS: Final = {
    "socket_connect_timeout": 5,
    "socket_timeout": 10,
    "socket_keepalive": True,
}

_SCHEMES: Final = {
    "redis": "redis",
    "rediss": "rediss",
    "unix": "unix",
    "redis+cluster": "redis",
    "rediss+cluster": "rediss",
}


class Address:
    """A server, or a cluster, by URL.

    Args:
        url: As RedisSessionStorage takes it.
        options: Options of redis-py's client.

    Attributes:
        is_cluster: Whether it is a cluster.
    """

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self._url, self.is_cluster = _checked_url(url)
        self._options = {**_OPTIONS, **options}
        self.connect()  # does no I/O; tells what is wrong with the options

    def __str__(self) -> str:
        parts = urlsplit(self._url)
        return f"{parts.hostname or ''}{parts.path}"

    def connect(self) -> AnyClient:
        """Make a client, which connects when it is used."""
        try:
            if self.is_cluster:
                cluster: RedisCluster = RedisCluster.from_url(self._url, **self._options)
                return cluster
            options = {"retry": Retry(NoBackoff(), 0), **self._options}
            client: Redis = Redis.from_url(self._url, **options)
            client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
            return client
        except (ValueError, errors.RedisError, errors.RedisClusterException) as error:
            problem = str(error).partition(":")[0]  # what follows may be a value
        raise ValueError(f"the Redis client cannot be made: {problem}")


def _checked_url(url: str) -> tuple[str, bool]:
    """Return a URL for redis-py, and whether it is that of a cluster."""
    if not isinstance(url, str):
        raise TypeError(
            "url must be a str or a Redis or RedisCluster of redis.asyncio, "
            f"not {type(url).__module__}.{type(url).__name__}"
        )
    # Messages show no part of the URL, which may hold a password.
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _SCHEMES:
        raise ValueError("a Redis URL is redis://user:password@host:port/db, rediss:// with TLS")
    plain = f"{_SCHEMES[scheme]}://{rest}"
    try:
        parse_url(plain)
        path, port = urlsplit(plain).path.strip("/"), urlsplit(plain).port
    except ValueError:
        raise ValueError("the Redis URL is malformed") from None
    if scheme != "unix" and path and not (path.isascii() and path.isdigit()):
        raise ValueError("the path of a Redis URL is the number of a database")
    if port == 0:
        raise ValueError("the port of a Redis URL must not be 0")
    return plain, scheme.endswith("+cluster")
