"""A storage made of callbacks."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from inspect import isawaitable
from typing import Any, TypeVar

from shopify_session_storage.checks import (
    check_session,
    check_session_id,
    check_session_ids,
    check_shop,
)
from shopify_session_storage.failures import hides_arguments
from shopify_session_storage.session import Session
from shopify_session_storage.storage import SessionStorage

_T = TypeVar("_T")


class CustomSessionStorage(SessionStorage):
    """A storage made of callbacks, each a plain or an async function.

    Arguments are checked as on every other storage. The caller gets what a callback raises,
    unchanged. ``compare_and_store()`` and leases work within this process only.

    Args:
        store: Takes a Session, and returns True if it is stored.
        load: Takes an id, and returns a Session, a dict as ``Session.to_dict()`` returns it, or
            None. Dates in a dict may be ISO 8601 text, as in JSON.
        delete: Takes an id, and returns True if nothing is stored there any more.
        delete_sessions: Takes a list of ids, and returns True if nothing is stored there any more.
            Without it, *delete* is called for each id.
        find_sessions_by_shop: Takes a shop and returns its sessions, or dicts; without it, finding
            raises NotImplementedError.
    """

    def __init__(
        self,
        *,
        store: Callable[[Session], Awaitable[bool] | bool],
        load: Callable[
            [str],
            Awaitable[Session | Mapping[str, Any] | None] | Session | Mapping[str, Any] | None,
        ],
        delete: Callable[[str], Awaitable[bool] | bool],
        delete_sessions: Callable[[list[str]], Awaitable[bool] | bool] | None = None,
        find_sessions_by_shop: Callable[
            [str],
            Awaitable[Iterable[Session | Mapping[str, Any]]]
            | Iterable[Session | Mapping[str, Any]],
        ]
        | None = None,
    ) -> None:
        self._store = store
        self._load = load
        self._delete = delete
        self._delete_sessions = delete_sessions
        self._find = find_sessions_by_shop

    async def store_session(self, session: Session) -> bool:
        """Call *store*."""
        check_session(session)
        return _boolean("store", await _result(self._store(session)))

    async def load_session(self, id: str) -> Session | None:
        """Call *load*."""
        check_session_id(id)
        return _loaded(await _result(self._load(id)))

    async def delete_session(self, id: str) -> bool:
        """Call *delete*."""
        check_session_id(id)
        return _boolean("delete", await _result(self._delete(id)))

    async def delete_sessions(self, ids: Iterable[str]) -> bool:
        """Call *delete_sessions*, or *delete* for each id."""
        unique = check_session_ids(ids)
        if not unique:
            return True
        if self._delete_sessions is not None:
            return _boolean("delete_sessions", await _result(self._delete_sessions(unique)))
        deleted = [_boolean("delete", await _result(self._delete(id))) for id in unique]
        return all(deleted)

    async def find_sessions_by_shop(self, shop: str) -> list[Session]:
        """Call *find_sessions_by_shop*."""
        check_shop(shop)
        if self._find is None:
            raise NotImplementedError(
                "this CustomSessionStorage was made without a find_sessions_by_shop callback"
            )
        return list(map(_found, await _result(self._find(shop))))


async def _result(returned: Awaitable[_T] | _T) -> _T:
    return await returned if isawaitable(returned) else returned


@hides_arguments
def _loaded(loaded: object) -> Session | None:
    return None if loaded is None else _session("load", loaded)


@hides_arguments
def _found(found: object) -> Session:
    return _session("find_sessions_by_shop", found)


def _session(callback: str, found: object) -> Session:
    if isinstance(found, Session):
        return found
    if isinstance(found, Mapping):
        return Session.from_dict(found)
    raise TypeError(
        f"the {callback} callback must give a Session or a dict for each session, "
        f"not {type(found).__name__}"
    )


def _boolean(callback: str, result: object) -> bool:
    if not isinstance(result, bool):
        raise TypeError(f"the {callback} callback must return a bool, not {type(result).__name__}")
    return result
