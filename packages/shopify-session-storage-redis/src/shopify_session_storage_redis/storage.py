"""Sessions in Redis, in the layout of Shopify's official JavaScript adapter."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Final, Self

import redis.exceptions as errors
from redis.asyncio import Redis, RedisCluster
from shopify_session_storage import (
    BaseSessionStorage,
    OnError,
    Session,
    SessionStorageMigratorOptions,
)
from shopify_session_storage.base import to_the_end
from shopify_session_storage.urls import url_with_credentials

from shopify_session_storage_redis.addresses import Address
from shopify_session_storage_redis.apart import Apart
from shopify_session_storage_redis.client import SCRIPTS, AnyClient, Client
from shopify_session_storage_redis.errors import KeyConflictError, conflict_error, without_values
from shopify_session_storage_redis.migrations import (
    RedisSessionStorageMigrator,
    check_migrator_options,
)
from shopify_session_storage_redis.records import (
    Keys,
    checked_prefix,
    read,
    sessions_in,
    tokens_of,
)
from shopify_session_storage_redis.together import Together
from shopify_session_storage_redis.way import Way

_HASH_TAG: Final = re.compile(r"\{[^}]+\}")


class RedisSessionStorage(BaseSessionStorage):
    """Keeps sessions in Redis, and the keys of each shop's sessions in a list of the shop.

    On one server a session and its list change together, in a script, and every operation is one
    round trip; finds that travel together are two, or three if one of the shops has no list. On a
    cluster they are on different nodes: the session changes first, then the list, each in one
    atomic step, so a store takes two round trips, a find two, and a delete three. If the prefix
    has a hash tag, such as ``{shopify}``, all keys are on one node of the cluster, which then
    serves as one server does.

    A write that has been sent is waited for, also if its caller is cancelled: it could otherwise
    reach the server after the next write of the same session.

    Args:
        url: ``redis://user:password@host:port/db``, ``rediss://...`` for TLS, both with redis-py's
            parameters; ``redis+cluster://`` or ``rediss+cluster://`` for any node of a cluster;
            or a client of ``redis.asyncio``, which is used as it is and never closed.
        session_key_prefix: What all keys begin with, followed by an underscore.
        client_options: Options of ``redis.asyncio.Redis``, or of ``RedisCluster``.
        migrator_options: Accepted as in the JavaScript package; its record of migrations is
            always ``<prefix>_migrations``.
        on_error: ``"log"`` failures of Redis, or ``"raise"`` them.

    Raises:
        TypeError: If an argument is of another type.
        ValueError: If the URL is not a Redis URL, the prefix is not usable, the record is to
            be elsewhere, or there are client options for a client of your own.
    """

    backend = "redis"
    conditional_writes = "backend"
    leases = "backend"
    driver_errors = (errors.RedisError, errors.RedisClusterException, OSError)
    connection_errors = (
        errors.ConnectionError,
        errors.TimeoutError,
        errors.ReadOnlyError,  # the server was the master until a moment ago
        errors.ClusterError,
        errors.TryAgainError,
        errors.RedisClusterException,
        errors.InvalidResponse,
        OSError,
    )
    data_errors = (KeyConflictError,)
    max_group_items: ClassVar[int] = 200  # the server does nothing else while a script runs

    def __init__(
        self,
        url: "str | Redis | RedisCluster",
        *,
        session_key_prefix: str = "shopify_sessions",
        client_options: Mapping[str, Any] | None = None,
        migrator_options: SessionStorageMigratorOptions | None = None,
        on_error: OnError = "log",
    ) -> None:
        super().__init__(on_error=on_error)
        self._keys = Keys(f"{checked_prefix(session_key_prefix)}_")
        check_migrator_options(migrator_options, self._keys.prefix)
        self._injected: AnyClient | None = None
        self._address: Address | None = None
        if isinstance(url, Redis | RedisCluster):
            if client_options is not None:
                raise ValueError("client_options are for a client that this storage makes")
            self._injected = url
            self._to_cluster = isinstance(url, RedisCluster)
        else:
            self._address = Address(url, client_options or {})
            self._to_cluster = self._address.is_cluster
        self._together = not self._to_cluster or _HASH_TAG.search(self._keys.prefix) is not None
        self._client: Client
        self._way: Way

    @classmethod
    def with_credentials(
        cls,
        host: str,
        db: int,
        username: str,
        password: str,
        *,
        port: int = 6379,
        **options: Any,
    ) -> Self:
        """Make a storage from the parts of a URL, none of which needs escaping.

        Args:
            host: A name or an address, of version 6 too.
            db: Number of the database.
            username: Who connects; ``""`` for the default user.
            password: Their password.
            port: The server's port.
            options: The options of the class.
        """
        url = url_with_credentials("redis", host, port, username, password, str(db))
        return cls(url, **options)

    def __repr__(self) -> str:
        return f"<RedisSessionStorage on {self._address or 'a client'}>"

    # --- connections ------------------------------------------------------------------------

    async def _open(self) -> None:
        redis = self._address.connect() if self._address is not None else self._injected
        assert redis is not None
        self._client = Client(redis)
        self._way = (Together if self._together else Apart)(self._client, self._keys)
        migrator = RedisSessionStorageMigrator(
            self._client, self._keys.prefix, self._list_sessions, self._logger
        )
        if not await migrator.is_up_to_date():
            await migrator.apply_migrations()

    async def _close(self) -> None:
        if self._injected is None:
            await self._client.redis.aclose()

    async def _recover(self) -> None:
        # A restart of the server breaks all idle connections, and the second try must not get
        # another one of them.
        if self._injected is None:
            with suppress(*self.driver_errors):
                if isinstance(self._client.redis, RedisCluster):
                    await self._client.redis.aclose()  # it looks for its nodes anew
                else:
                    await self._client.redis.connection_pool.disconnect(inuse_connections=False)

    async def _ping(self) -> None:
        await self._client.one(("GET", self._keys.key("migrations")))

    async def _list_sessions(self, sessions: Sequence[Session]) -> None:
        conflict = await self._way.list_sessions(sessions)
        if conflict is not None:
            self._logger.warning("%s", conflict_error(conflict))

    # --- data -------------------------------------------------------------------------------

    async def _load(self, ids: Sequence[str]) -> list[Session]:
        values = await self._way.values([self._keys.key(id) for id in ids])
        found = [read(value, id) for id, value in zip(ids, values, strict=True)]
        return [session for session in found if session is not None]

    async def _store(self, sessions: Sequence[Session]) -> None:
        _check(await to_the_end(self._way.store(sessions)))

    async def _delete(self, ids: Sequence[str]) -> None:
        await to_the_end(self._way.delete(ids))

    async def _find(self, shops: Sequence[str]) -> list[Session]:
        return sessions_in(await self._way.find(shops), self._keys.prefix)

    async def _compare_and_store(self, session: Session, expected: Session | None) -> bool:
        tokens = tokens_of(session) + tokens_of(expected)
        answer = await to_the_end(self._way.compare_and_store(session, tokens))
        if answer in ([b"same"], [b"other"]):
            return self._was_repeated(answer)
        _check(answer)
        return True

    def _was_repeated(self, answer: Sequence[bytes] | None) -> bool:
        """Tell whether tokens that are there already may be those of an earlier try.

        What the storage repeats itself, it looks at itself. But redis-py's client of a cluster, and
        a client of the user's, repeat by themselves what a lost connection leaves unknown.
        """
        repeats = self._to_cluster or self._injected is not None
        return repeats and answer == [b"same"]

    async def _acquire_lease(self, name: str, holder: str, milliseconds: int) -> bool:
        script = SCRIPTS["acquire"].on([self._keys.lease(name)], holder.encode(), milliseconds)
        return bool(await to_the_end(self._client.one(script)))

    async def _release_lease(self, name: str, holder: str) -> None:
        script = SCRIPTS["release"].on([self._keys.lease(name)], holder.encode())
        await to_the_end(self._client.one(script))

    # --- errors -----------------------------------------------------------------------------

    def _describe(self, error: Exception) -> str:
        return without_values(error)

    def _scrub(self, error: Exception) -> None:
        # Such as "unknown command ..., with args beginning with: ..."
        if isinstance(error, errors.RedisError | errors.RedisClusterException):
            error.args = (without_values(error),)


def _check(conflict: Sequence[bytes] | None) -> None:
    if conflict is not None:
        raise conflict_error(conflict)


def open_url(url: str, **options: Any) -> RedisSessionStorage:
    """Make the storage for ``redis://...``, ``rediss://...`` or ``redis+cluster://...``."""
    return RedisSessionStorage(url, **options)
