"""The lists of shops: which sessions each has.

A list is read, changed and written, without a transaction, and a read may be old. So a read that
lacks an id that was added a moment ago may mean two things: it is old, or somebody else has removed
the id since. Whether its session is there tells, as far as that can be told. The rule:

An id that this process has added in the last minute, and that a list about to be written lacks, is
added again if its session is there. If it is not, it is left out: the official JavaScript adapter
finds an id without a session as ``undefined``. It is looked for again with the next write of the
list, and once more when the minute is over; and our own finds look for it, too.
"""

import json
import os
import time
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final
from weakref import WeakValueDictionary

from shopify_session_storage import CorruptSessionError, Session

from shopify_session_storage_kv_style.holding import Holding

STALE_SECONDS: Final = 60.0
"""How long a read may miss what was written before: "up to 60 seconds or more" by the
documentation of Workers KV."""


@dataclass
class _Added:
    """An id that has been added to a list.

    Attributes:
        shop: Whose list it is.
        when: When that was, in seconds.
        in_doubt: Whether the list has been written without it since.
    """

    shop: str
    when: float
    in_doubt: bool = False


class Lists:
    """What all storages of this process on one namespace share.

    Attributes:
        holding: Sessions and lists that a write of this process is changing.
    """

    def __init__(self, namespace: object) -> None:
        self.holding = Holding()
        self._namespace = namespace  # as long as it lives, nothing else has its id()
        self._added: dict[str, _Added] = {}

    def remember(self, session: Session) -> None:
        """Take note of a session that has been stored and listed."""
        self._added.pop(session.id, None)
        self._added[session.id] = _Added(session.shop, time.monotonic())

    def forget(self, ids: Iterable[str]) -> None:
        """Take note of sessions that are deleted."""
        for id in ids:
            self._added.pop(id, None)

    def lately(self, shop: str) -> list[str]:
        """Return the ids that a read of the list of *shop* may lack."""
        oldest = time.monotonic() - STALE_SECONDS
        for id, added in list(self._added.items()):
            if added.when < oldest and not added.in_doubt:
                self._added.pop(id, None)
        return [id for id, added in list(self._added.items()) if added.shop == shop]

    def doubt(self, ids: Collection[str]) -> None:
        """Take note of ids that a list has been written without."""
        for id in ids:
            if id in self._added:
                self._added[id].in_doubt = True

    def dropped(self, shop: str, ids: Iterable[str]) -> None:
        """Take note of ids that are taken off a list, since their sessions are not there.

        Who stores one of them now may read the list as it was, and leave it as it is; and that may
        be seen here later still.
        """
        for id in ids:
            self._added[id] = _Added(shop, time.monotonic() + STALE_SECONDS, in_doubt=True)

    def overdue(self) -> dict[str, str]:
        """Return the ids in doubt whose minute is over, with their shops, and forget them."""
        oldest = time.monotonic() - STALE_SECONDS
        over = {
            id: added.shop
            for id, added in list(self._added.items())
            if added.in_doubt and added.when < oldest
        }
        self.forget(over)
        return over


_LISTS: WeakValueDictionary[tuple[int, Hashable], Lists] = WeakValueDictionary()

# By the process: one that a fork has copied may be held, by a thread that is not there.
_MUTEXES: Final[dict[int, Lock]] = {}


def lists_of(namespace: object) -> Lists:
    """Return what the storages of this process that are on equal namespaces share."""
    key: Any = namespace
    try:
        hash(key)
    except TypeError:
        key = id(namespace)
    process = os.getpid()
    with _MUTEXES.setdefault(process, Lock()):  # this setdefault() is atomic; the next one is not
        return _LISTS.setdefault((process, key), Lists(namespace))


def list_key(shop: str) -> str:
    """Return the key of a shop's list."""
    return f"shop:{shop}"


def names_in(texts: Mapping[str, str], shop: str) -> list[str]:
    """Read the list of a shop. *texts* has it by its key.

    Raises:
        CorruptSessionError: If it cannot be read.
    """
    text = texts.get(list_key(shop))
    if text is None:
        return []
    try:
        names = json.loads(text)
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise CorruptSessionError(f"the list of shop {shop!r} cannot be read")
    return names


def writable(names: Iterable[str]) -> list[str]:
    """Return those that can be written: JSON of another program's may have lone surrogates."""
    return [name for name in names if _is_unicode(name)]


def list_of(names: Sequence[str]) -> str:
    """Return the text of a list."""
    return json.dumps(names, ensure_ascii=False, separators=(",", ":"))


def _is_unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
