"""Sessions in a namespace of keys and values, in the layout of Shopify's JavaScript adapter."""

from collections.abc import Sequence
from typing import Any

from shopify_session_storage import (
    BaseSessionStorage,
    CorruptSessionError,
    OnError,
    Session,
    check_session_id,
    dump_session_json,
    read_session_json,
)
from shopify_session_storage.base import to_the_end
from shopify_session_storage.stored import has_same_tokens

from shopify_session_storage_kv_style.addresses import namespace_at
from shopify_session_storage_kv_style.cloudflare import CloudflareKVNamespace
from shopify_session_storage_kv_style.errors import KVNamespaceError
from shopify_session_storage_kv_style.lists import (
    Lists,
    changed_lists,
    list_key,
    lists_of,
    names_in,
)
from shopify_session_storage_kv_style.namespace import Keys, KVNamespace


class KVSessionStorage(BaseSessionStorage):
    """Keeps sessions in a namespace of keys and values, and the ids of each shop's in a list.

    A load reads one key. A find reads the shop's list, then its sessions. A store reads the
    session that it replaces and the list, then writes the list, if the id is not in it, then the
    session; one that moves to another shop reads and writes its old shop's list, too. A delete
    reads the session, deletes it, then reads and writes the list. Each of these steps is one
    round trip, for any number of sessions, where the namespace has bulk calls that take them.

    There are no transactions, so what a process that dies leaves is harmless: a list may have ids
    of sessions that are not there, which find leaves out. It never lacks one whose store has
    returned.

    A write that has been sent is waited for, also if its caller is cancelled: it could otherwise
    arrive after the next write of the same session.

    Args:
        namespace: Where to keep the sessions. It is never closed. Without it
            :meth:`set_namespace` must be called before anything else.
        on_error: ``"log"`` failures of the namespace, or ``"raise"`` them.

    Raises:
        TypeError: If the namespace has not the methods of a :class:`KVNamespace`.
        RuntimeError: From every call, while there is no namespace.
    """

    backend = "kv_style"
    driver_errors = (KVNamespaceError, OSError)
    # Measured with 50 ms of latency, 16 loads at once: 2 groups serve 150 loads a second, 4 serve
    # 180, and httpx alone 260, with a request for each. Requests count: Cloudflare's API allows
    # 1200 in five minutes.
    max_groups = 4
    max_write_groups = 1  # writes take turns anyway, see Lists

    def __init__(self, namespace: KVNamespace | None = None, *, on_error: OnError = "log") -> None:
        super().__init__(on_error=on_error)
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
        """Keep the sessions in *namespace* from now on; calls under way end where they began.

        Raises:
            TypeError: If it has not the methods of a :class:`KVNamespace`.
        """
        if not isinstance(namespace, KVNamespace):
            raise TypeError(
                "namespace must be a KVNamespace, such as WorkersKVNamespace(env.MY_KV), "
                f"not {type(namespace).__name__}"
            )
        self._namespace = namespace
        self._keys = Keys(namespace)
        self._lists = None

    # --- lifecycle --------------------------------------------------------------------------

    async def _open(self) -> None:
        if self._namespace is None:
            raise RuntimeError("there is no namespace; call set_namespace() first")

    async def _close(self) -> None:
        self._lists = None
        if self._own is not None:
            await self._own.aclose()

    def _abandon(self) -> None:
        self._lists = None

    async def _ping(self) -> None:
        await self._keys.get(["shop:"])  # the list of no shop

    # --- data -------------------------------------------------------------------------------

    async def _load(self, ids: Sequence[str]) -> list[Session]:
        return [_read(value, id) for id, value in (await self._keys.get(ids)).items()]

    async def _find(self, shops: Sequence[str]) -> list[Session]:
        keys = self._keys
        texts = await keys.get([list_key(shop) for shop in shops])
        names = {shop: set(names_in(texts.get(list_key(shop)), shop)) for shop in shops}
        ids = [name for name in sorted(set().union(*names.values())) if _is_session_id(name)]
        values = await keys.get(ids) if ids else {}
        sessions = [_read(value, id) for id, value in values.items()]
        # JavaScript leaves a session that has moved in the list of its old shop.
        return [session for session in sessions if session.id in names.get(session.shop, ())]

    async def _store(self, sessions: Sequence[Session]) -> None:
        await to_the_end(self._store_listed(sessions))

    async def _delete(self, ids: Sequence[str]) -> None:
        await to_the_end(self._delete_listed(ids))

    async def _compare_and_store(self, session: Session, expected: Session | None) -> bool:
        return await to_the_end(self._compare_and_store_listed(session, expected))

    async def _compare_and_store_listed(self, session: Session, expected: Session | None) -> bool:
        lists = self._shared_lists()
        async with lists.lock:  # also of the other storages that share the lists
            found = await self._load_one(session.id)
            if not has_same_tokens(found, expected):
                return False
            await self._store_locked([session], lists)
            return True

    async def _store_listed(self, sessions: Sequence[Session]) -> None:
        lists = self._shared_lists()
        async with lists.lock:
            await self._store_locked(sessions, lists)

    async def _store_locked(self, sessions: Sequence[Session], lists: Lists) -> None:
        keys = self._keys
        shops = {session.shop: None for session in sessions}
        texts = await keys.get([*(session.id for session in sessions), *map(list_key, shops)])
        added: dict[str, list[str]] = {shop: [] for shop in shops}
        left: dict[str, list[str]] = {}
        for session in sessions:
            added[session.shop].append(session.id)
            old_shop = _shop_of(texts.get(session.id), session.id)
            if old_shop is not None and old_shop != session.shop:
                left.setdefault(old_shop, []).append(session.id)
        if others := [list_key(shop) for shop in left if shop not in shops]:
            texts |= await keys.get(others)

        # First the lists, then the sessions: a process that dies between leaves ids of
        # sessions that are not there, rather than sessions that nobody finds. For the same
        # reason ids are removed last.
        longer = changed_lists(texts, lists, added=added)
        await keys.put(longer)
        await keys.put({session.id: dump_session_json(session) for session in sessions})
        for session in sessions:
            lists.remember(session)
        await keys.put(changed_lists(texts | longer, lists, removed=left))

    async def _delete_listed(self, ids: Sequence[str]) -> None:
        keys, lists = self._keys, self._shared_lists()
        async with lists.lock:
            values = await keys.get(ids)
            left: dict[str, list[str]] = {}
            for id, value in values.items():
                shop = _shop_of(value, id)
                if shop is not None:
                    left.setdefault(shop, []).append(id)
            # Also those that were not there: they may have been stored elsewhere just now. First
            # the sessions, then the lists, see above.
            await keys.delete(ids)
            lists.forget(ids)
            if left:
                texts = await keys.get([*map(list_key, left)])
                await keys.put(changed_lists(texts, lists, removed=left))

    def _describe(self, error: Exception) -> str:
        text = str(error)
        return f"{type(error).__name__}: {text}" if text else type(error).__name__

    def _shared_lists(self) -> Lists:
        if self._lists is None:
            self._lists = lists_of(self._namespace)
        return self._lists


def _is_session_id(name: str) -> bool:
    try:
        check_session_id(name)
    except ValueError:
        return False
    return True


def _read(text: str, id: str) -> Session:
    session = read_session_json(text, id)
    if session.id != id:
        raise CorruptSessionError(f"stored session {id!r} cannot be read: it has another id")
    return session


def _shop_of(text: str | None, id: str) -> str | None:
    """Return the shop of what is stored under an id, None if that is no session."""
    try:
        return None if text is None else read_session_json(text, id).shop
    except CorruptSessionError:
        return None


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
    return storage
