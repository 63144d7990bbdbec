"""Where Redis is: what a URL says, and redis-py's clients of it."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import SplitResult, urlsplit, urlunsplit

import redis as redis_py
import redis.exceptions as errors
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from shopify_session_storage import UrlParameters, normal_scheme

from shopify_session_storage_redis.parameters import read_parameters

AnyClient: TypeAlias = Redis | RedisCluster

_SCHEMES: Final = {
    "redis": "redis",
    "rediss": "rediss",
    "unix": "unix",
    "redis+cluster": "redis",
    "rediss+cluster": "rediss",
}

# Up to 5 a cluster's pipeline makes as many tries in all, and needs one; a command makes one more.
_COUNTS_TRIES: Final = int(redis_py.__version__.partition(".")[0]) < 6

# What redis-py does between connecting and closing.
_DONE_BY_THE_DRIVER: Final = (
    "retry", "retry_on_error", "retry_on_timeout", "health_check_interval", "connection_class",
)  # fmt: skip
_RENEWS_CREDENTIALS: Final = getattr(redis_py.credentials, "StreamingCredentialProvider", ())

_MEANINGLESS_ON_A_SOCKET: Final = ("socket_keepalive", "socket_keepalive_options")


class Address:
    """A server, or a cluster, by URL.

    Args:
        url: As RedisSessionStorage takes it.
        options: Options of redis-py's client.
        seconds: How long an answer may take.

    Attributes:
        is_cluster: Whether it is a cluster.
        max_connections: How many connections there may be to a server; None for as many as are
            needed.
        repeats: Whether its clients send again by themselves what a lost connection has left
            unknown.
        needs_driver: Whether redis-py is to do more than to connect.

    Raises:
        TypeError: If *url* is no str, or an option is not one of redis-py's.
        ValueError: If the URL or an option cannot be used. Messages show no value of theirs.
    """

    def __init__(self, url: str, options: Mapping[str, Any], seconds: float) -> None:
        parts, self.is_cluster = _split(url)
        hosts = _hosts(parts)
        if len(hosts) > 1 and not self.is_cluster:
            raise ValueError("a Redis URL of several hosts is redis+cluster://, or rediss+cluster")
        parameters = read_parameters(UrlParameters("Redis", parts.query))
        if parameters.pop("tls", None) is not None and parts.scheme != "unix":
            parts = parts._replace(scheme="rediss")
        self._options = {**_defaults(seconds), **options, **parameters}
        _check_tls(parts.scheme, self._options, parameters)
        for name in _MEANINGLESS_ON_A_SOCKET if parts.scheme == "unix" else ():
            self._options.pop(name, None)
        if self.is_cluster:  # a call is repeated anyway
            self._options.pop("retry_on_timeout", None)
        login = parts.netloc.rpartition("@")[:2]
        path = "" if "db" in parameters and parts.scheme != "unix" else parts.path
        plain = parts._replace(netloc="".join((*login, hosts[0])), path=path, query="")
        self._url = urlunsplit(plain)
        self._shown = f"{','.join(hosts)}{parts.path}"
        self._startup_nodes = [_host_and_port(host) for host in hosts]
        self.max_connections = _checked_limit(self._options.pop("max_connections", None))
        self.repeats = "retry" in self._options or (self.is_cluster and _COUNTS_TRIES)
        self.needs_driver = (
            self.is_cluster
            or any(self._options.get(name) for name in _DONE_BY_THE_DRIVER)
            or isinstance(self._options.get("credential_provider"), _RENEWS_CREDENTIALS)
        )
        try:
            self.connect()  # does no I/O; tells what is wrong with the options
            return
        except TypeError as error:
            unknown = next((name for name in parameters if f"'{name}'" in str(error)), None)
            if unknown is None:
                raise
        raise ValueError(
            f"the parameter {unknown!r} of the Redis URL is not known to this client of redis-py"
        )

    def __str__(self) -> str:
        return self._shown

    def connect(self, known: Iterable[tuple[str, int]] = ()) -> AnyClient:
        """Make a client, which connects when it is used.

        Args:
            known: Addresses of nodes of the cluster, for when none of the URL's answers.
        """
        try:
            return self._cluster(known) if self.is_cluster else self._server()
        except (ValueError, errors.RedisError, errors.RedisClusterException) as error:
            problem = str(error).partition(":")[0]  # what follows may be a value
        raise ValueError(f"the Redis client cannot be made: {problem}")

    def _server(self) -> AnyClient:
        # Lost connections are repeated once by BaseSessionStorage, and on a fresh one.
        options = {"retry": Retry(NoBackoff(), 0), **self._options}
        client: Redis = Redis.from_url(self._url, **options)
        client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        return client

    def _cluster(self, known: Iterable[tuple[str, int]]) -> AnyClient:
        options: dict[str, Any] = {"retry": Retry(NoBackoff(), 0), **self._options}
        if _COUNTS_TRIES:
            options.setdefault("cluster_error_retry_attempts", 1)
        # The name that was given comes first: the nodes may all have got new addresses since.
        places = dict.fromkeys((*self._startup_nodes, *known))
        nodes = [ClusterNode(host, port) for host, port in places]
        cluster: RedisCluster = RedisCluster.from_url(self._url, startup_nodes=nodes, **options)
        return cluster


def _split(url: str) -> tuple[SplitResult, bool]:
    """Return the parts of a URL with a scheme of redis-py's, and whether it is a cluster's."""
    if not isinstance(url, str):
        raise TypeError(
            "url must be a str or a Redis or RedisCluster of redis.asyncio, "
            f"not {type(url).__module__}.{type(url).__name__}"
        )
    # Messages show no part of the URL, which may hold a password.
    scheme, separator, rest = normal_scheme(url).partition("://")
    if "sentinel" in scheme:
        raise ValueError("there are no Redis URLs of Sentinel: pass Sentinel(...).master_for(...)")
    if not separator or scheme not in _SCHEMES:
        raise ValueError("a Redis URL is redis://user:password@host:port/db, rediss:// with TLS")
    try:
        parts = urlsplit(f"{_SCHEMES[scheme]}://{rest}")
    except ValueError:
        parts = None
    if parts is None or parts.fragment or "#" in rest:
        raise ValueError("the Redis URL is malformed")
    path = parts.path.strip("/")
    if scheme == "unix":
        if not path or parts.hostname:
            raise ValueError("the Redis URL of a socket is unix:///path, or unix://:password@/path")
    elif path and not (path.isascii() and path.isdigit()):
        raise ValueError("the path of a Redis URL is the number of a database")
    return parts, scheme.endswith("+cluster")


def _hosts(parts: SplitResult) -> list[str]:
    """Return the hosts of a URL, each with its port."""
    hosts = parts.netloc.rpartition("@")[2].split(",")
    login = "".join(parts.netloc.rpartition("@")[:2])
    for host in hosts:
        try:
            one = parts._replace(netloc=f"{login}{host}", query="")
            parse_url(one.geturl())
            port, malformed = one.port, bool(one.port and not one.hostname)
        except ValueError:
            malformed, port = True, None
        if malformed or ("," in parts.netloc and not host):
            raise ValueError("the Redis URL is malformed")
        if port == 0:
            raise ValueError("the port of a Redis URL must not be 0")
    return hosts


def _host_and_port(host: str) -> tuple[str, int]:
    parts = urlsplit(f"//{host}")
    return parts.hostname or "localhost", parts.port or 6379


def _defaults(seconds: float) -> dict[str, Any]:
    """Return what redis-py's client gets if nothing else is said, in seconds.

    They differ from redis-py's own, or its versions differ. A host that does not answer is given
    up before the caller's own request is.
    """
    return {"socket_connect_timeout": 5, "socket_timeout": seconds, "socket_keepalive": True}


def _check_tls(scheme: str, options: dict[str, Any], parameters: Mapping[str, Any]) -> None:
    """Verify names as well as certificates; refuse what would need TLS, and has none."""
    if scheme == "rediss":
        verified = options.get("ssl_cert_reqs", "required") not in ("none", 0)
        options.setdefault("ssl_check_hostname", verified)
    elif without := next((name for name in parameters if name.startswith("ssl_")), None):
        raise ValueError(f"the parameter {without!r} of the Redis URL needs rediss://")


def _checked_limit(limit: object) -> int | None:
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise ValueError("the Redis client cannot be made: max_connections must be 1 or more")
    return limit
