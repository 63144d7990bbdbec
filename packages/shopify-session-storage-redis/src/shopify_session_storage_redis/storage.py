"""Sessions in Redis, in the layout of Shopify's official JavaScript adapter."""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from datetime import timedelta
from typing import Any, ClassVar, Final, Self, Unpack

import redis.exceptions as errors
from redis.asyncio import Redis, RedisCluster
from shopify_session_storage import (
    DEFAULT_TIMEOUT,
    BaseSessionStorage,
    CorruptSessionError,
    MigrationError,
    OnError,
    Session,
    SessionPage,
    SessionStorageMigratorOptions,
    Verdict,
    check_grace,
    hides_arguments,
    is_session_id,
    page_of,
    url_with_credentials,
)

from shopify_session_storage_redis.addresses import Address
from shopify_session_storage_redis.apart import Apart
from shopify_session_storage_redis.client import Client
from shopify_session_storage_redis.driver import DriverClient, Source, leads_to_cluster
from shopify_session_storage_redis.errors import conflict_error, scrub, verdict_on, wording_of
from shopify_session_storage_redis.exchange import Exchange
from shopify_session_storage_redis.migrations import (
    RedisSessionStorageMigrator,
    check_migrator_options,
)
from shopify_session_storage_redis.options import RedisOptions
from shopify_session_storage_redis.records import (
    Keys,
    checked_prefix,
    is_list,
    kind_of,
    names_in,
    read,
    read_scanned,
    sessions_in,
    tokens_of,
)
from shopify_session_storage_redis.scanning import next_keys, pattern_of
from shopify_session_storage_redis.scripts import SCRIPTS
from shopify_session_storage_redis.together import Together
from shopify_session_storage_redis.way import Way

_HASH_TAG: Final = re.compile(r"[^{]*\{[^}]+\}")  # a first brace that is empty ends the search
_LISTS: Final = 16  # read together; each may be long


class RedisSessionStorage(BaseSessionStorage):
    """Keeps sessions in Redis, and for each shop a list of the keys of its sessions.

    On one server, a script changes a session and its list together, and every operation is one
    round trip; finds that travel together are two, or three if one of the shops has no list. On a
    cluster, session and list are on different nodes. The session changes first, then the list, each
    in one atomic step: a store takes two round trips, a find two, and a delete three. If the prefix
    has a hash tag, such as ``{shopify}``, all keys are on one node of the cluster, and everything
    works as on one server.

    Args:
        url: ``redis://user:password@host:port/db``, ``rediss://...`` for TLS, or
            ``unix://:password@/path?db=0``, with redis-py's parameters. For a cluster,
            ``redis+cluster://`` or ``rediss+cluster://`` with one or more of its nodes. Or a client
            of ``redis.asyncio``, which is used as it is and never closed.
        session_key_prefix: The prefix of all keys; an underscore follows it.
        client_options: Options of ``redis.asyncio.Redis``, or of ``RedisCluster``.
        migrator_options: Accepted as in the JavaScript package. The record of migrations is always
            ``<prefix>_migrations``, as there.
        expire_dead: Let Redis delete sessions, offline ones too, this long after both of their
            tokens have expired. Give it a day or more, because clocks differ. Redis does not delete
            what the official JavaScript adapter writes.
        on_error: ``"log"`` failures of Redis, or ``"raise"`` them.
        timeout: How long a call may take, once the storage is open.

    Raises:
        TypeError: If an argument is of another type.
        ValueError: If the URL is not a Redis URL or has an unknown parameter, the prefix cannot be
            used, *migrator_options* name another record, or *client_options* are given with a
            client of your own.
    """

    backend = "redis"
    conditional_writes = "backend"
    leases = "backend"
    driver_errors = (errors.RedisError, errors.RedisClusterException, OSError)
    max_group_items: ClassVar[int] = 200  # the server does nothing else while a script runs

    @hides_arguments
    def __init__(
        self,
        url: "str | Redis | RedisCluster",
        *,
        session_key_prefix: str = "shopify_sessions",
        client_options: Mapping[str, Any] | None = None,
        migrator_options: SessionStorageMigratorOptions | None = None,
        expire_dead: timedelta | None = None,
        on_error: OnError = "log",
        timeout: timedelta = DEFAULT_TIMEOUT,
    ) -> None:
        super().__init__(on_error=on_error, timeout=timeout)
        self._keys = Keys(f"{checked_prefix(session_key_prefix)}_")
        check_migrator_options(migrator_options, self._keys.prefix)
        check_grace(expire_dead)
        self._expire_dead = expire_dead
        if isinstance(url, Redis | RedisCluster):
            if client_options is not None:
                raise ValueError("client_options are for a client that this storage makes")
            self._source: Source = url
            self._shown = "a client"
        else:
            self._source = Address(url, client_options or {}, self._seconds)
            self._shown = str(self._source)
        self._together = not leads_to_cluster(self._source) or bool(
            _HASH_TAG.match(self._keys.prefix)
        )
        self._is_the_parents = False
        # Made as it is opened: after a fork, and on another event loop, there is another one.
        self._client: Client
        self._way: Way

    @classmethod
    @hides_arguments
    def with_credentials(
        cls,
        host: str,
        db: int,
        username: str,
        password: str,
        *,
        port: int = 6379,
        **options: Unpack[RedisOptions],
    ) -> Self:
        """Make a storage from the parts of a URL, none of which needs escaping.

        Args:
            host: A name or an IP address, IPv6 too.
            db: Number of the database.
            username: The user who connects; ``""`` for the default user.
            password: That user's password.
            port: The server's port.
            options: The options of the class.
        """
        url = url_with_credentials("redis", host, port, username, password, str(db))
        return cls(url, **options)

    def __repr__(self) -> str:
        return f"<RedisSessionStorage on {self._shown}>"

    async def _open(self) -> None:
        if self._is_the_parents:
            raise RuntimeError(
                "the client that was passed in belongs to the parent process: "
                "make it after the fork, or pass a URL"
            )
        if isinstance(self._source, Address) and not self._source.needs_driver:
            self._client = Exchange(self._source)
        else:
            self._client = DriverClient(self._source)
        self._way = (Together if self._together else Apart)(
            self._client, self._keys, self._expire_dead
        )
        migrator = RedisSessionStorageMigrator(
            self._client, self._keys.prefix, self._list_sessions, self._logger
        )
        try:
            has_limits = isinstance(self._source, Address)  # for each step of ours
            async with nullcontext() if has_limits else self._in_time():
                is_up_to_date = await migrator.is_up_to_date()
            if not is_up_to_date:
                await migrator.apply_migrations()
            return
        except (RuntimeError, MigrationError) as error:
            cause = error.__cause__ or error
            if not isinstance(cause, RuntimeError) or "loop" not in str(cause):
                raise
        raise RuntimeError(
            "the client that was passed in belongs to another event loop: "
            "make it on this one, or pass a URL"
        )

    async def _close(self) -> None:
        await self._client.close()

    async def _recover(self) -> None:
        await self._client.renew()

    def _forget(self) -> None:
        # Of a client that was passed in, the connections are the parent's; of others, too, but
        # these are not used again.
        self._is_the_parents = not isinstance(self._source, Address)

    def _abandon(self) -> None:
        self._client.abandon()

    async def _ping(self) -> None:
        await self._client.one(("GET", self._keys.key("migrations")))

    async def _list_sessions(self, sessions: Sequence[Session]) -> None:
        conflict = await self._way.list_sessions(sessions)
        if conflict is not None:
            self._logger.warning("%s", conflict_error(conflict))

    async def _load(self, ids: Sequence[str]) -> list[Session]:
        values = await self._way.values([self._keys.key(id) for id in ids])
        found = [read(value, id) for id, value in zip(ids, values, strict=True)]
        return [session for session in found if session is not None]

    async def _store(self, sessions: Sequence[Session]) -> None:
        _check(await self._way.store(sessions))

    async def _delete(self, ids: Sequence[str]) -> None:
        await self._way.delete(ids)

    async def _find(self, shops: Sequence[str]) -> list[Session]:
        return sessions_in(await self._way.find(shops), self._keys.prefix)

    async def _scan(self, after: str | None, batch: int) -> SessionPage:
        named, rest = await self._next_keys(after, batch)
        heads = await self._way.heads([*named])
        # The list of a shop may be as long as a thousand sessions.
        ours = [key for key, head in zip(named, heads, strict=True) if head and not is_list(head)]
        values = await self._way.values(ours) if ours else []
        stored = [(named[key], value) for key, value in zip(ours, values, strict=True)]
        return await page_of(read_scanned, stored, rest)

    async def _drop_dangling(self, after: str | None, batch: int) -> str | None:
        named, rest = await self._next_keys(after, batch)
        heads = await self._way.heads([*named])
        shops = [name for name, head in zip(named.values(), heads, strict=True) if is_list(head)]
        for first in range(0, len(shops), _LISTS):
            some = shops[first : first + _LISTS]
            lists: dict[str, list[str]] = {}
            for shop, answer in zip(some, await self._way.lists(some), strict=True):
                with suppress(CorruptSessionError):
                    lists[shop] = self._keys.ids_in(names_in(*kind_of(answer), shop))
            await self._way.drop_dangling(lists)
        return rest

    async def _next_keys(
        self, after: str | None, batch: int
    ) -> tuple[dict[bytes, str], str | None]:
        """Return some of the keys with the prefix, with the names in them, and where to go on."""
        pattern = pattern_of(self._keys.key(""))
        keys, rest = await self._client.use(lambda redis: next_keys(redis, after, pattern, batch))
        names = {key: name for key in keys if (name := self._keys.name(key)) is not None}
        return {key: name for key, name in names.items() if is_session_id(name)}, rest

    async def _compare_and_store(self, session: Session, expected: Session | None) -> bool:
        tokens = tokens_of(expected)
        answer = await self._way.compare_and_store(session, tokens)
        if answer == [b"same"]:
            # The whole session is there already. What the storage repeats itself, it looks at
            # itself; but redis-py repeats by itself what a lost connection has left unknown.
            return self._client.repeats
        if answer == [b"other"]:
            return False
        _check(answer)
        return True

    async def _compare_and_delete(self, expected: Sequence[Session]) -> Iterable[str]:
        return await self._way.compare_and_delete(expected)

    async def _acquire_lease(self, name: str, holder: str, milliseconds: int) -> bool:
        script = SCRIPTS["acquire"].on([self._keys.lease(name)], holder.encode(), milliseconds)
        return bool(await self._client.one(script))

    async def _release_lease(self, name: str, holder: str) -> None:
        script = SCRIPTS["release"].on([self._keys.lease(name)], holder.encode())
        await self._client.one(script)

    def _verdict(self, error: Exception) -> Verdict:
        return verdict_on(error)

    def _describe(self, error: Exception) -> str:
        return wording_of(error)

    def _scrub(self, error: Exception) -> None:
        scrub(error)


def _check(conflict: Sequence[bytes] | None) -> None:
    if conflict is not None:
        raise conflict_error(conflict)


@hides_arguments
def open_url(url: str, **options: Unpack[RedisOptions]) -> RedisSessionStorage:
    """Make the storage for ``redis://...``, ``rediss://...``, ``unix://...``, and for clusters."""
    return RedisSessionStorage(url, **options)
