"""The lists of shops: which sessions each has."""

import asyncio
import json
import time
from collections.abc import Hashable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final
from weakref import WeakValueDictionary

from shopify_session_storage import CorruptSessionError, Session

# How long a read may miss what was written before, in seconds: "up to 60 seconds or more" by the
# documentation of Workers KV.
_STALE_SECONDS: Final = 60.0


class Lists:
    """What all storages of one event loop on one namespace share, so that no list loses an id.

    A list is read, changed and written by one of them at a time. And since a read may miss what
    was written a moment ago, ids that were added a moment ago are added again. Not so with ids
    that were removed: another process may have stored the session again, and an id too many does
    no harm, one too few does.
    """

    def __init__(self, namespace: object) -> None:
        self.lock = asyncio.Lock()
        self._namespace = namespace  # as long as it lives, nothing else has its id()
        self._recent: dict[str, tuple[str, float]] = {}  # shop and time by id, oldest first

    def remember(self, session: Session) -> None:
        """Take note of a session that has been listed and stored."""
        self._recent.pop(session.id, None)
        self._recent[session.id] = (session.shop, time.monotonic())

    def forget(self, ids: Iterable[str]) -> None:
        """Take note of sessions that are deleted."""
        for id in ids:
            self._recent.pop(id, None)

    def recent(self) -> dict[str, list[str]]:
        """Return the ids that a read of a list may miss, by shop."""
        oldest = time.monotonic() - _STALE_SECONDS
        for id, (_, when) in list(self._recent.items()):
            if when >= oldest:
                break
            del self._recent[id]
        by_shop: dict[str, list[str]] = {}
        for id, (shop, _) in self._recent.items():
            by_shop.setdefault(shop, []).append(id)
        return by_shop


_LISTS: WeakValueDictionary[tuple[asyncio.AbstractEventLoop, Hashable], Lists] = (
    WeakValueDictionary()
)


def lists_of(namespace: object) -> Lists:
    """Return what the storages of this event loop that are on equal namespaces share."""
    key: Any = namespace
    try:
        hash(key)
    except TypeError:
        key = id(namespace)
    return _LISTS.setdefault((asyncio.get_running_loop(), key), Lists(namespace))


def changed_lists(
    texts: Mapping[str, str],
    lists: Lists,
    *,
    added: Mapping[str, Sequence[str]] = MappingProxyType({}),
    removed: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> dict[str, str]:
    """Return the lists that change, by key.

    An id stays in its list even if its session is not there: it may have been stored elsewhere
    just now, and not be visible here yet.

    Args:
        texts: The lists as they were read, by key.
        lists: What is known besides.
        added: The ids to add to the list of each shop.
        removed: The ids to remove from it. A list that cannot be read is left as it is.

    Raises:
        CorruptSessionError: If a list to add to cannot be read.
    """
    recent = lists.recent()
    changed: dict[str, str] = {}
    for shop in {**added, **removed}:
        key = list_key(shop)
        try:
            before = names_in(texts.get(key), shop)
        except CorruptSessionError:
            if shop in added:
                raise
            continue
        gone = set(removed.get(shop, ()))
        after = [
            id
            for id in dict.fromkeys([*before, *recent.get(shop, ()), *added.get(shop, ())])
            if id not in gone and _is_unicode(id)
        ]
        if after != before:
            changed[key] = json.dumps(after, ensure_ascii=False, separators=(",", ":"))
    return changed


def list_key(shop: str) -> str:
    """Return the key of a shop's list."""
    return f"shop:{shop}"


def names_in(text: str | None, shop: str) -> list[str]:
    """Read the list of a shop.

    Raises:
        CorruptSessionError: If it cannot be read.
    """
    if text is None:
        return []
    try:
        names = json.loads(text)
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise CorruptSessionError(f"the list of shop {shop!r} cannot be read")
    return names


def _is_unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
