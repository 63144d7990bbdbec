"""Sessions in a dict."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from heapq import nsmallest
from typing import Any

from shopify_session_storage import (
    DEFAULT_TIMEOUT,
    BaseSessionStorage,
    OnError,
    Session,
    SessionPage,
    UrlParameters,
    copy_session,
)


class MemorySessionStorage(BaseSessionStorage):
    """Keeps sessions in the memory of this object, for tests and experiments.

    They are lost with the object, but ``disconnect()`` keeps them. Everything else is as on the
    storages with a backend: arguments are checked, and sessions that come back are copies.

    Args:
        on_error: As on every storage; there is no backend here that could fail.
        timeout: As on every storage; there is nothing here to wait for.
    """

    backend = "memory"

    def __init__(self, *, on_error: OnError = "log", timeout: timedelta = DEFAULT_TIMEOUT) -> None:
        super().__init__(on_error=on_error, timeout=timeout)
        self._sessions: dict[str, Session] = {}
        self._ids_by_shop: defaultdict[str, set[str]] = defaultdict(set)

    def __repr__(self) -> str:
        return "MemorySessionStorage()"

    async def _open(self) -> None:
        pass

    async def _close(self) -> None:
        pass

    async def _ping(self) -> None:
        pass

    async def _load(self, ids: Sequence[str]) -> Iterable[Session]:
        return [copy_session(self._sessions[id]) for id in ids if id in self._sessions]

    async def _store(self, sessions: Sequence[Session]) -> None:
        await self._delete([session.id for session in sessions])  # it may have had another shop
        for session in sessions:
            self._sessions[session.id] = session
            self._ids_by_shop[session.shop].add(session.id)

    async def _delete(self, ids: Sequence[str]) -> None:
        for id in ids:
            session = self._sessions.pop(id, None)
            if session is not None:
                siblings = self._ids_by_shop[session.shop]
                siblings.discard(id)
                if not siblings:
                    del self._ids_by_shop[session.shop]

    async def _find(self, shops: Sequence[str]) -> Iterable[Session]:
        ids = [id for shop in shops for id in self._ids_by_shop.get(shop, ())]
        return [copy_session(self._sessions[id]) for id in ids]

    async def _scan(self, after: str | None, batch: int) -> SessionPage:
        ids = nsmallest(batch, (id for id in self._sessions if after is None or id > after))
        sessions = [copy_session(self._sessions[id]) for id in ids]
        return SessionPage(sessions, after=ids[-1] if len(ids) == batch else None)


def open_url(url: str, **options: Any) -> MemorySessionStorage:
    """Make the storage for ``memory://``.

    Raises:
        ValueError: If the URL has more than its scheme.
    """
    rest, _, query = url.partition("://")[2].partition("?")
    UrlParameters("memory", query).finish()
    if rest.strip("/"):
        raise ValueError("memory:// takes nothing after it")
    return MemorySessionStorage(**options)
