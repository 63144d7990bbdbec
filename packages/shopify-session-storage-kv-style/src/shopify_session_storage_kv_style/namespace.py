"""What a namespace of keys and values is, and how many keys at once are read and written."""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, Protocol, TypeVar, runtime_checkable

from shopify_session_storage_kv_style.errors import KVNamespaceError

_T = TypeVar("_T")
_R = TypeVar("_R")

AT_ONCE: Final = 6
"""How many calls to a namespace are under way at once: as many connections as a Worker has."""

_MOST_NAMED: Final = 1000  # keys in one call, by the documentation of Workers KV


@runtime_checkable
class KVNamespace(Protocol):
    """Keeps texts under keys, like a namespace of Workers KV. Reads may be old for a while.

    Whatever its methods raise counts as a failure of the backend. Messages show the text of a
    :class:`KVNamespaceError` or an OSError. Of other errors they show only the type, since the text
    may hold a stored value.
    """

    async def get(self, key: str) -> str | None:
        """Return the text under *key* (at most 512 bytes of UTF-8), or None."""

    async def put(self, key: str, value: str) -> object:
        """Put a text under *key*, in place of what is there."""

    async def delete(self, key: str) -> object:
        """Delete what is under *key*, if there is anything."""


@runtime_checkable
class BulkKVNamespace(KVNamespace, Protocol):
    """A namespace that takes any number of keys in one call. This is optional for a namespace."""

    async def get_many(self, keys: Sequence[str]) -> Mapping[str, str | None]:
        """Return the text under each key. A key without a text is None or left out."""

    async def put_many(self, pairs: Mapping[str, str]) -> object:
        """Put a text under each key, in any order. If it fails, some may be there."""

    async def delete_many(self, keys: Sequence[str]) -> object:
        """Delete what is under each key, in any order. If it fails, some may be deleted."""


@runtime_checkable
class ListingKVNamespace(KVNamespace, Protocol):
    """A namespace that can list its keys. This is optional for a namespace.

    Without it, calls that walk through all sessions raise NotImplementedError: ``scan_sessions()``,
    ``purge_expired()``, and ``keep_warm()`` and the like without a list of shops.
    """

    async def list_keys(
        self, prefix: str, cursor: str | None, limit: int
    ) -> tuple[Sequence[str], str | None]:
        """Return keys that begin with *prefix*, and the cursor of those that come after them.

        Args:
            prefix: The prefix of the keys; ``""`` for all keys.
            cursor: The cursor that the last call returned; None for the first keys.
            limit: About how many keys, 1 to 1,000.

        Returns:
            The keys, perhaps none, and a cursor, which is None after the last keys.
        """


@runtime_checkable
class ExpiringKVNamespace(KVNamespace, Protocol):
    """A namespace that can delete keys by itself. Only ``expire_dead`` needs it."""

    async def put_expiring(self, pairs: Mapping[str, str], seconds: Mapping[str, int]) -> object:
        """Put a text under each key, in any order, in place of what is there.

        Args:
            pairs: The texts by their keys.
            seconds: After how many seconds to delete each key, 60 or more. Keys that are not in it
                stay.
        """


class Keys:
    """Reads and writes keys of a namespace: by its bulk calls if it has some, else one by one.

    Args:
        namespace: The namespace.

    Raises:
        KVNamespaceError: Or an OSError, from every method, if the namespace fails.
        TypeError: If it gives something else than texts.
    """

    def __init__(self, namespace: KVNamespace) -> None:
        self._namespace = namespace
        self._bulk = namespace if isinstance(namespace, BulkKVNamespace) else None

    async def get(self, keys: Sequence[str]) -> dict[str, str]:
        """Return the texts that there are, by key."""
        values: Mapping[str, str | None]
        with _failures():
            if self._bulk is not None and len(keys) > 1:
                values = await self._bulk.get_many(keys)
            else:
                values = await each(self._namespace.get, keys)
        for value in values.values():
            if not isinstance(value, str | None):
                raise TypeError(
                    f"a KVNamespace must return str or None, not {type(value).__name__}"
                )
        return {key: value for key, value in values.items() if value is not None}

    async def named(
        self, prefix: str, cursor: str | None, limit: int
    ) -> tuple[Sequence[str], str | None]:
        """Return some of the keys that begin with *prefix*, and where to go on."""
        if not isinstance(self._namespace, ListingKVNamespace):
            raise NotImplementedError
        with _failures():
            return await self._namespace.list_keys(prefix, cursor, min(limit, _MOST_NAMED))

    async def put(self, pairs: Mapping[str, str], seconds: Mapping[str, int] | None = None) -> None:
        """Put a text under each key, some for so many seconds."""
        with _failures():
            if seconds and isinstance(self._namespace, ExpiringKVNamespace):
                await self._namespace.put_expiring(pairs, seconds)
                return
            if self._bulk is not None and len(pairs) > 1:
                await self._bulk.put_many(pairs)
            else:
                await each(lambda key: self._namespace.put(key, pairs[key]), [*pairs])

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete what is under each key."""
        with _failures():
            if self._bulk is not None and len(keys) > 1:
                await self._bulk.delete_many(keys)
            else:
                await each(self._namespace.delete, keys)


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except (KVNamespaceError, OSError):
        raise
    except Exception as error:
        raise KVNamespaceError(type(error).__name__) from error


async def each(call: Callable[[_T], Awaitable[_R]], items: Sequence[_T]) -> dict[_T, _R]:
    """Call for each item, a few at a time, and return the results by item.

    After a failure no further call is made, and those under way are waited for.
    """
    results: dict[_T, _R] = {}
    waiting = deque(items)

    async def work() -> None:
        try:
            while waiting:
                item = waiting.popleft()
                results[item] = await call(item)
        except BaseException:
            waiting.clear()
            raise

    if len(items) <= 1:
        await work()
        return results
    workers = (work() for _ in range(min(AT_ONCE, len(items))))
    for outcome in await asyncio.gather(*workers, return_exceptions=True):
        if outcome is not None:
            raise outcome
    return results


def parts(items: Sequence[_T], size: int) -> list[Sequence[_T]]:
    """Cut a sequence into parts of at most *size*."""
    return [items[first : first + size] for first in range(0, len(items), size)]


def pauses() -> Iterator[float]:
    """Give how long to wait before each further try, in seconds; about six in all.

    Workers KV takes one write a second to a key. Chance keeps processes apart that fail together.
    """
    for longest in (0.5, 1.0, 2.0, 4.0):
        yield longest * random.uniform(0.6, 1.0)  # noqa: S311  # nothing to guess here
