"""Sessions in Redis, in the layout of Shopify's official JavaScript adapter."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Final, Self, TypeAlias
from urllib.parse import urlsplit

import redis.exceptions as errors
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from shopify_session_storage import (
    BaseSessionStorage,
    CorruptSessionError,
    OnError,
    Session,
    SessionStorageError,
    SessionStorageMigratorOptions,
    dump_session_json,
    read_session_json,
)
from shopify_session_storage.base import to_the_end
from shopify_session_storage.urls import url_with_credentials

from shopify_session_storage_redis.client import SCRIPTS, AnyClient, Client, Command
from shopify_session_storage_redis.migrations import RedisSessionStorageMigrator

# Options of redis-py's client that differ from its own, or that differ between its versions. In
# seconds: a host that does not answer is given up before the caller's own request is. Lost
# connections are repeated once by BaseSessionStorage, and on a fresh one.
_CLIENT_OPTIONS: Final = {
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

# The same as read() in common.lua tells.
_LIST: Final = re.compile(rb'\s*\[\s*["\]]')
_SESSION: Final = re.compile(rb"\s*\[\s*\[")

# A shop, a key in its list, and what is stored under that.
_Listed: TypeAlias = tuple[str, str, bytes | None]

_HASH_TAG: Final = re.compile(r"\{[^}]+\}")
_IN_THE_WAY: Final = {
    b"list": "the list of a shop",
    b"session": "a session",
    b"text": "something that is not ours",
    b"other": "something that is not ours",
}


class KeyConflictError(SessionStorageError):
    """A key that a session or a list needs holds something else, which is left as it is."""


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
        self._prefix = f"{_checked_prefix(session_key_prefix)}_"
        _check_migrator_options(migrator_options, self._prefix)
        self._injected: AnyClient | None = None
        self._url = ""
        self._options: dict[str, Any] = {}
        self._to_cluster = isinstance(url, RedisCluster)
        if isinstance(url, Redis | RedisCluster):
            if client_options is not None:
                raise ValueError("client_options are for a client that this storage makes")
            self._injected = url
        else:
            self._url, self._to_cluster = _checked_url(url)
            self._options = {**_CLIENT_OPTIONS, **(client_options or {})}
            self._new_client()  # does no I/O; tells what is wrong with the options
        self._together = not self._to_cluster or _HASH_TAG.search(self._prefix) is not None
        self._client: Client

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
        parts = urlsplit(self._url)
        where = f"{parts.hostname or ''}{parts.path}" if self._url else "a client"
        return f"<RedisSessionStorage on {where}>"

    # --- connections ------------------------------------------------------------------------

    def _new_client(self) -> AnyClient:
        try:
            if self._to_cluster:
                cluster: RedisCluster = RedisCluster.from_url(self._url, **self._options)
                return cluster
            options = {"retry": Retry(NoBackoff(), 0), **self._options}
            client: Redis = Redis.from_url(self._url, **options)
            client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
            return client
        except (ValueError, errors.RedisError, errors.RedisClusterException) as error:
            problem = str(error).partition(":")[0]  # what follows may be a value
        raise ValueError(f"the Redis client cannot be made: {problem}")

    async def _open(self) -> None:
        self._client = Client(self._injected if self._injected is not None else self._new_client())
        migrator = RedisSessionStorageMigrator(
            self._client, self._prefix, self._list_sessions, self._logger
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
        await self._client.one(("GET", self._key("migrations")))

    # --- data -------------------------------------------------------------------------------

    async def _load(self, ids: Sequence[str]) -> list[Session]:
        values = await self._values([self._key(id) for id in ids])
        found = [_read(value, id) for id, value in zip(ids, values, strict=True)]
        return [session for session in found if session is not None]

    async def _store(self, sessions: Sequence[Session]) -> None:
        store = self._store_together if self._together else self._store_apart
        await to_the_end(store(sessions))

    async def _delete(self, ids: Sequence[str]) -> None:
        delete = self._delete_together if self._together else self._delete_apart
        await to_the_end(delete(ids))

    async def _find(self, shops: Sequence[str]) -> list[Session]:
        if self._together and len(shops) == 1:
            listed = await self._listed_together(shops[0])
        else:
            listed = await self._listed_apart(shops)
        sessions: dict[str, Session] = {}
        for shop, name, value in listed:
            # Keys of other applications may have got into the list.
            if value is None or name in sessions or not name.startswith(self._prefix):
                continue
            if _LIST.match(value):
                continue
            id = name.removeprefix(self._prefix)
            session = read_session_json(value, id)
            # An entry dangles when its session has moved; and a key that begins with a longer
            # prefix, of another storage, holds a session with another id.
            if session.shop == shop and session.id == id:
                sessions[name] = session
        return list(sessions.values())

    async def _listed_together(self, shop: str) -> Iterable[_Listed]:
        """Return what is under the keys in the list of a shop, in one round trip."""
        find = SCRIPTS["find"].on([self._key(shop)], self._key(""))
        kind, *found = await self._client.one(find)
        text, *values = found or [b""]
        names = _names(kind, text, shop)
        if len(values) != len(names):
            raise _unreadable(shop)
        return [(shop, name, value) for name, value in zip(names, values, strict=True)]

    async def _listed_apart(self, shops: Sequence[str]) -> Iterable[_Listed]:
        """Return what is under the keys in the lists of shops: first the lists, then the keys."""
        listed = [
            (shop, name)
            for shop, answer in zip(shops, await self._lists(shops), strict=True)
            for name in dict.fromkeys(_names(*_kind(answer), shop))
            if name.startswith(self._prefix)
        ]
        keys = [name.encode(errors="surrogatepass") for _, name in listed]
        values = await self._values(keys) if keys else []
        return [(*place, value) for place, value in zip(listed, values, strict=True)]

    async def _lists(self, shops: Sequence[str]) -> Sequence[bytes | Exception | None]:
        """Return what is under the key of each shop's list; an error for what is no string."""
        gets = [("GET", self._key(shop)) for shop in shops]
        if not self._together:
            return await self._client.each(gets)
        answers: list[Any] = await self._client.one(("MGET", *(key for _, key in gets)))
        # MGET has nothing for what is no string, too. A GET of each takes three times as long.
        absent = [place for place, answer in enumerate(answers) if answer is None]
        if absent:
            told = await self._client.each([gets[place] for place in absent])
            for place, answer in zip(absent, told, strict=True):
                answers[place] = answer
        return answers

    async def _compare_and_store(self, session: Session, expected: Session | None) -> bool:
        compare = self._compare_together if self._together else self._compare_apart
        return await to_the_end(compare(session, _tokens(session) + _tokens(expected)))

    async def _acquire_lease(self, name: str, holder: str, milliseconds: int) -> bool:
        script = SCRIPTS["acquire"].on([self._lease_key(name)], holder.encode(), milliseconds)
        return bool(await to_the_end(self._client.one(script)))

    async def _release_lease(self, name: str, holder: str) -> None:
        script = SCRIPTS["release"].on([self._lease_key(name)], holder.encode())
        await to_the_end(self._client.one(script))

    def _lease_key(self, name: str) -> bytes:
        # Everything that begins with the prefix is a session or a list to the JavaScript adapter.
        return f"leases:{self._prefix}:{name}".encode()

    def _key(self, name: str) -> bytes:
        return f"{self._prefix}{name}".encode()

    def _token(self, id: str) -> bytes:
        """Return a session's key as it stands in the list."""
        return json.dumps(f"{self._prefix}{id}", ensure_ascii=False).encode()

    async def _values(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        """Return what is stored under each key; None also for what is not a string."""
        if self._together and len(keys) > 1:
            values: list[bytes | None] = await self._client.one(("MGET", *keys))
            return values
        answers = await self._client.each([("GET", key) for key in keys])
        return [None if isinstance(answer, Exception) else answer for answer in answers]

    # --- one atomic step, where all keys are on one node ------------------------------------

    async def _store_together(self, sessions: Sequence[Session]) -> None:
        keys = [self._key(session.id) for session in sessions]
        keys += [self._key(session.shop) for session in sessions]
        arguments = [self._key("")]
        for session in sessions:
            arguments += (dump_session_json(session).encode(), self._token(session.id))
        self._check(await self._client.one(SCRIPTS["store"].on(keys, *arguments)))

    async def _compare_together(self, session: Session, tokens: Sequence[bytes]) -> bool:
        answer = await self._client.one(
            SCRIPTS["compare_and_store"].on(
                [self._key(session.id), self._key(session.shop)],
                self._key(""),
                dump_session_json(session).encode(),
                self._token(session.id),
                *tokens,
            )
        )
        if answer in ([b"same"], [b"other"]):
            return self._was_repeated(answer)
        self._check(answer)
        return True

    async def _delete_together(self, ids: Sequence[str]) -> None:
        keys = [self._key(id) for id in ids]
        tokens = [self._token(id) for id in ids]
        await self._client.one(SCRIPTS["delete"].on(keys, self._key(""), *tokens))

    # --- the session first, then the list, where they are on different nodes ----------------

    async def _store_apart(self, sessions: Sequence[Session]) -> None:
        keys = [self._key(session.id) for session in sessions]
        texts = [dump_session_json(session).encode() for session in sessions]
        answers = await self._client.each(
            [SCRIPTS["put"].on([key], text) for key, text in zip(keys, texts, strict=True)]
        )
        await self._list_stored(sessions, answers)

    async def _compare_apart(self, session: Session, tokens: Sequence[bytes]) -> bool:
        text = dump_session_json(session).encode()
        put = SCRIPTS["compare_and_put"].on([self._key(session.id)], text, *tokens)
        answer = await self._client.one(put)
        if answer == [b"other"]:
            return False
        if answer == [b"same"]:
            # If an earlier try has stored it, that one may not have come to the list.
            await self._list_stored([session], [(b"none", b"")])
            return self._was_repeated(answer)
        await self._list_stored([session], [answer])
        return True

    async def _list_stored(
        self, sessions: Sequence[Session], answers: Sequence[Sequence[bytes]]
    ) -> None:
        """Bring the lists of shops up to date, given what was under each session's key before."""
        changes = _Changes()
        conflict: Sequence[bytes] | None = None
        for session, (kind, old_shop) in zip(sessions, answers, strict=True):
            if kind in (b"list", b"other"):
                conflict = (kind, self._key(session.id))
                continue
            shop = session.shop.encode()
            changes.add(shop, session.id)
            if old_shop and old_shop != shop:
                changes.remove(old_shop, session.id)
        conflict = await self._change_lists(changes) or conflict
        self._check(conflict)

    async def _delete_apart(self, ids: Sequence[str]) -> None:
        shops = await self._client.each([SCRIPTS["take"].on([self._key(id)]) for id in ids])
        changes = _Changes()
        for id, shop in zip(ids, shops, strict=True):
            if shop:
                changes.remove(shop, id)
        await self._change_lists(changes)

    async def _change_lists(self, changes: "_Changes") -> Sequence[bytes] | None:
        """Change the lists of shops, and return one of the keys in the way, if there are some."""
        conflict = await self._send_changes(changes)
        removed = [(shop, id) for shop, (_, ids) in changes.lists.items() for id in ids]
        if removed:
            # Another process may have stored the session again, and added it to the list, before
            # it was removed there. An entry too many does no harm, one too few would.
            values = await self._values([self._key(id) for _, id in removed])
            repair = _Changes()
            for (shop, id), value in zip(removed, values, strict=True):
                with suppress(CorruptSessionError):
                    session = _read(value, id)
                    if session is not None and session.shop.encode() == shop:
                        repair.add(shop, id)
            await self._send_changes(repair)
        return conflict

    async def _send_changes(self, changes: "_Changes") -> Sequence[bytes] | None:
        commands: list[Command] = []
        for shop, (added, removed) in changes.lists.items():
            arguments: list[bytes] = []
            for id in (*added, *removed):
                arguments += (self._key(id), self._token(id))
            list_key = self._key("") + shop
            commands.append(SCRIPTS["relist"].on([list_key], len(added), *arguments))
        answers = await self._client.each(commands) if commands else []
        return next((answer for answer in answers if answer is not None), None)

    async def _list_sessions(self, sessions: Sequence[Session]) -> None:
        changes = _Changes()
        for session in sessions:
            changes.add(session.shop.encode(), session.id)
        conflict = await self._send_changes(changes)
        if conflict is not None:
            self._logger.warning("%s", _conflict_error(conflict))

    def _was_repeated(self, answer: Sequence[bytes]) -> bool:
        """Tell whether tokens that are there already may be those of an earlier try.

        What the storage repeats itself, it looks at itself. But redis-py's client of a cluster, and
        a client of the user's, repeat by themselves what a lost connection leaves unknown.
        """
        repeats = self._to_cluster or self._injected is not None
        return repeats and answer == [b"same"]

    # --- errors -----------------------------------------------------------------------------

    def _check(self, conflict: Sequence[bytes] | None) -> None:
        if conflict is not None:
            raise _conflict_error(conflict)

    def _describe(self, error: Exception) -> str:
        return _without_values(error)

    def _scrub(self, error: Exception) -> None:
        # Such as "unknown command ..., with args beginning with: ..."
        if isinstance(error, errors.RedisError | errors.RedisClusterException):
            error.args = (_without_values(error),)


class _Changes:
    """What to add to the lists of shops, and what to remove from them."""

    def __init__(self) -> None:
        self.lists: dict[bytes, tuple[list[str], list[str]]] = {}

    def add(self, shop: bytes, id: str) -> None:
        self.lists.setdefault(shop, ([], []))[0].append(id)

    def remove(self, shop: bytes, id: str) -> None:
        self.lists.setdefault(shop, ([], []))[1].append(id)


def _read(value: bytes | None, id: str) -> Session | None:
    """Read what is stored under a session's key. The list of a shop is no session."""
    if value is None or _LIST.match(value):
        return None
    session = read_session_json(value, id)
    if session.id != id:
        raise CorruptSessionError(f"stored session {id!r} cannot be read: it has another id")
    return session


def _tokens(session: Session | None) -> list[bytes]:
    """Spell the tokens of a session for compare.lua."""
    if session is None:
        return [b"-", b"-"]
    tokens = (session.access_token, session.refresh_token)
    return [b"" if token is None else b"=" + token.encode() for token in tokens]


def _kind(answer: bytes | Exception | None) -> tuple[bytes, bytes]:
    """Tell what a key holds, as read() in common.lua does."""
    if answer is None:
        return b"none", b""
    if isinstance(answer, Exception):
        return b"other", b""
    if _LIST.match(answer):
        return b"list", answer
    return (b"session" if _SESSION.match(answer) else b"text"), answer


def _names(kind: bytes, text: bytes, shop: str) -> list[str]:
    """Read the list of a shop. What is a session, or is not there, is an empty one."""
    if kind in (b"none", b"session"):
        return []
    names = None
    if kind == b"list":
        with suppress(ValueError, RecursionError):
            names = json.loads(text.decode())
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _unreadable(shop)
    return names


def _unreadable(shop: str) -> CorruptSessionError:
    return CorruptSessionError(f"the list of shop {shop!r} cannot be read")


def _conflict_error(conflict: Sequence[bytes]) -> KeyConflictError:
    kind, key = conflict
    name = key.decode(errors="replace")
    return KeyConflictError(f"redis: the key {name!r} is taken: it holds {_IN_THE_WAY[kind]}")


def _without_values(error: Exception) -> str:
    """Describe an error without the values that its text may repeat."""
    name, text = type(error).__name__, str(error)
    if isinstance(error, errors.MovedError):
        return f"{name}: the server is a node of a cluster; use redis+cluster://"
    if type(error) is errors.ResponseError and not re.match(r"[A-Z]+ ", text):
        # The server quotes what it complains of, such as arguments of an unknown command.
        return f"{name}: {re.split(_QUOTE, text)[0].strip()}"
    if isinstance(error, errors.RedisClusterException) and "execute" in text:
        return name
    if isinstance(error, errors.DataError | errors.InvalidResponse):
        return name
    return f"{name}: {text}" if text else name


_QUOTE: Final = re.compile("['\"`]")


def _checked_prefix(prefix: str) -> str:
    if not isinstance(prefix, str):
        raise TypeError(f"session_key_prefix must be a str, not {type(prefix).__name__}")
    try:
        prefix.encode()
    except UnicodeEncodeError:
        raise ValueError("session_key_prefix must not contain lone surrogates") from None
    if not prefix or "\0" in prefix:
        raise ValueError("session_key_prefix must not be empty or contain NUL")
    return prefix


def _check_migrator_options(options: SessionStorageMigratorOptions | None, prefix: str) -> None:
    if options is None:
        return
    if not isinstance(options, SessionStorageMigratorOptions):
        raise TypeError(
            f"migrator_options must be SessionStorageMigratorOptions, not {type(options).__name__}"
        )
    default = SessionStorageMigratorOptions().migration_db_identifier
    if options.migration_db_identifier not in (default, "migrations", f"{prefix}migrations"):
        raise ValueError(
            f"the record of migrations is always {prefix}migrations, "
            "where the JavaScript package looks for it"
        )


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


def open_url(url: str, **options: Any) -> RedisSessionStorage:
    """Make the storage for ``redis://...``, ``rediss://...`` or ``redis+cluster://...``."""
    return RedisSessionStorage(url, **options)
