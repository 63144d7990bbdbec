"""Sessions in a namespace of keys and values, in the layout of Shopify's JavaScript adapter."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any, Final

from shopify_session_storage import (
    DEFAULT_TIMEOUT,
    BaseSessionStorage,
    CorruptSessionError,
    OnError,
    Session,
    SessionPage,
    Verdict,
    check_grace,
    has_same_tokens,
    hides_arguments,
    is_session_id,
    page_of,
    read_session_json,
)

from shopify_session_storage_kv_style.addresses import namespace_at
from shopify_session_storage_kv_style.cloudflare import CloudflareKVNamespace
from shopify_session_storage_kv_style.errors import KVNamespaceError, verdict
from shopify_session_storage_kv_style.lists import Lists, list_key, lists_of, names_in
from shopify_session_storage_kv_style.namespace import (
    ExpiringKVNamespace,
    Keys,
    KVNamespace,
    ListingKVNamespace,
)
from shopify_session_storage_kv_style.writing import Writing

_LISTS: Final = 100  # read together


class KVSessionStorage(BaseSessionStorage):
    """Keeps sessions in a namespace of keys and values, and for each shop a list of its ids.

    A load reads one key. A find reads the shop's list, then its sessions. A store reads the session
    that it replaces and the list, then writes the session, and then the list, if the id is not in
    it. If the session moves to another shop, the list of its old shop is read and written, too. A
    delete reads the session, then the list, then writes the list and deletes the session. If the
    namespace has bulk calls, each of these steps is one round trip for any number of sessions.

    There are no transactions. If a process dies during a store or delete, the session may be left
    without being in a list. But every id in a list has its session, as the official JavaScript
    adapter needs it.

    Args:
        namespace: Where to keep the sessions. It is never closed. Without it
            :meth:`set_namespace` must be called before anything else.
        expire_dead: Let the namespace delete sessions, offline ones too, this long after both of
            their tokens have expired, a minute at least. Give it a day or more, because clocks
            differ. What the official JavaScript adapter writes is not deleted.
        on_error: ``"log"`` failures of the namespace, or ``"raise"`` them.
        timeout: How long a call may take.

    Raises:
        TypeError: If the namespace lacks methods of a :class:`KVNamespace` or, with *expire_dead*,
            of an :class:`ExpiringKVNamespace`.
        ValueError: If *expire_dead* is not positive.
        RuntimeError: From every call while there is no namespace.
    """

    backend = "kv_style"
    driver_errors = (KVNamespaceError, OSError)
    # Measured with 50 ms of latency, 16 loads at once: 2 groups serve 150 loads a second, 4 serve
    # 180, and httpx alone 260, with a request for each. Requests count: Cloudflare's API allows
    # 1200 in five minutes.
    max_groups = 4
    max_group_items = 2_000  # one call deletes up to 10,000, and reads 100
    # Those that come while one is under way share their requests. One that is slow, because its
    # list has been written a moment ago, holds nobody up.
    max_write_groups = 1

    def __init__(
        self,
        namespace: KVNamespace | None = None,
        *,
        expire_dead: timedelta | None = None,
        on_error: OnError = "log",
        timeout: timedelta = DEFAULT_TIMEOUT,
    ) -> None:
        super().__init__(on_error=on_error, timeout=timeout)
        check_grace(expire_dead)
        self._expire_dead = expire_dead
        self._namespace: KVNamespace | None = None
        # Made by open_url() for this storage.
        self._own: CloudflareKVNamespace | None = None
        self._keys: Keys
        self._lists: Lists | None = None
        if namespace is not None:
            self.set_namespace(namespace)

    def __repr__(self) -> str:
        return f"<KVSessionStorage on {self._namespace or 'no namespace'}>"

    def set_namespace(self, namespace: KVNamespace) -> None:
        """Keep the sessions in *namespace* from now on. Calls under way end in the old one.

        Raises:
            TypeError: If it lacks methods of a :class:`KVNamespace`, or those that ``expire_dead``
                needs.
        """
        if not isinstance(namespace, KVNamespace):
            raise TypeError(
                "namespace must be a KVNamespace, such as WorkersKVNamespace(env.MY_KV), "
                f"not {type(namespace).__name__}"
            )
        if self._expire_dead is not None and not isinstance(namespace, ExpiringKVNamespace):
            raise TypeError(
                f"expire_dead needs an ExpiringKVNamespace, and {type(namespace).__name__} has no "
                "put_expiring()"
            )
        self._namespace = namespace
        self._keys = Keys(namespace)
        self._lists = None

    async def _open(self) -> None:
        if self._namespace is None:
            raise RuntimeError("there is no namespace; call set_namespace() first")

    async def _close(self) -> None:
        self._forget()
        if self._own is not None:
            await self._own.aclose()

    def _forget(self) -> None:
        # The namespace has a client of its own for each event loop and process.
        self._lists = None

    async def _ping(self) -> None:
        await self._keys.get(["shop:"])  # the list of no shop

    async def _load(self, ids: Sequence[str]) -> list[Session]:
        return [_read(value, id) for id, value in (await self._keys.get(ids)).items()]

    async def _find(self, shops: Sequence[str]) -> list[Session]:
        keys, lists = self._keys, self._shared_lists()
        texts = await keys.get([list_key(shop) for shop in shops])
        names = {shop: {*names_in(texts, shop), *lists.lately(shop)} for shop in shops}
        ids = [name for name in sorted(set().union(*names.values())) if is_session_id(name)]
        values = await keys.get(ids) if ids else {}
        sessions = [_read(value, id) for id, value in values.items()]
        # JavaScript leaves a session that has moved in the list of its old shop.
        return [session for session in sessions if session.id in names.get(session.shop, ())]

    def scan_sessions(
        self, *, after: str | None = None, batch: int = 500
    ) -> AsyncIterator[SessionPage]:
        if self._namespace is not None and not isinstance(self._namespace, ListingKVNamespace):
            raise NotImplementedError(
                f"KVSessionStorage cannot be walked through: {type(self._namespace).__name__} "
                "has no list_keys(), see ListingKVNamespace"
            )
        return super().scan_sessions(after=after, batch=batch)

    async def _scan(self, after: str | None, batch: int) -> SessionPage:
        keys, rest = await self._keys.named("", after, batch)
        ids = [key for key in keys if is_session_id(key)]
        values = await self._keys.get(ids) if ids else {}
        return await page_of(_read, values.items(), rest)

    async def _drop_dangling(self, after: str | None, batch: int) -> str | None:
        lists, rest = await self._keys.named(list_key(""), after, min(batch, _LISTS))
        if shops := [key.removeprefix(list_key("")) for key in lists]:
            await self._writing().drop_dangling(shops)
        return rest

    async def _store(self, sessions: Sequence[Session]) -> None:
        writing = self._writing()
        shops = {session.shop for session in sessions}
        async with writing.holding([session.id for session in sessions], shops) as texts:
            await writing.store(sessions, texts)
        await writing.settle()

    async def _delete(self, ids: Sequence[str]) -> None:
        writing = self._writing()
        async with writing.holding(ids) as texts:
            await writing.delete(ids, texts)
        await writing.settle()

    async def _compare_and_store(self, session: Session, expected: Session | None) -> bool:
        writing = self._writing()
        async with writing.holding([session.id], {session.shop}) as texts:
            text = texts.get(session.id)
            found = None if text is None else _read(text, session.id)
            if not has_same_tokens(found, expected):
                return False
            await writing.store([session], texts)
        return True

    async def _compare_and_delete(self, expected: Sequence[Session]) -> list[str]:
        writing = self._writing()
        async with writing.holding([session.id for session in expected]) as texts:
            others = [
                session.id
                for session in expected
                if (text := texts.get(session.id)) is not None
                and not has_same_tokens(_read(text, session.id), session)
            ]
            ids = [session.id for session in expected if session.id not in others]
            if ids:
                await writing.delete(ids, texts)
        return others

    def _verdict(self, error: Exception) -> Verdict:
        return verdict(error)

    def _describe(self, error: Exception) -> str:
        text = str(error)
        return f"{type(error).__name__}: {text}" if text else type(error).__name__

    def _shared_lists(self) -> Lists:
        if self._lists is None:
            self._lists = lists_of(self._namespace)
        return self._lists

    def _writing(self) -> Writing:
        return Writing(self._keys, self._shared_lists(), self._expire_dead)


def _read(text: str, id: str) -> Session:
    session = read_session_json(text, id)
    if session.id != id:
        raise CorruptSessionError(f"stored session {id!r} cannot be read: it has another id", id=id)
    return session


@hides_arguments
def open_url(url: str, **options: Any) -> KVSessionStorage:
    """Make the storage for ``cloudflare-kv://account_id/namespace_id``.

    The API token is taken from the environment variable ``CLOUDFLARE_API_TOKEN``. The URL may
    have ``?base_url=``, for another address of the API.

    Raises:
        ValueError: If the URL is not of that form, or the variable is missing.
        ImportError: If httpx is not installed.
    """
    namespace = namespace_at(url)
    storage = KVSessionStorage(namespace, **options)
    storage._own = namespace  # disconnect() closes it
    namespace._seconds = storage._seconds
    return storage
