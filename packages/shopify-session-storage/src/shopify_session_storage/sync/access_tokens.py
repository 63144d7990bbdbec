"""Access tokens for code that does not await."""

from collections.abc import Callable, Coroutine, Iterable, Iterator
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self, TypedDict, TypeVar, Unpack

from shopify_session_storage.access_tokens import (
    AccessToken,
    AccessTokenStore,
    RefreshDue,
    Report,
    ShopResult,
)
from shopify_session_storage.access_tokens.frames import hides_locals
from shopify_session_storage.access_tokens.store import Mode
from shopify_session_storage.scopes import AuthScopes
from shopify_session_storage.session import Session
from shopify_session_storage.storage import SessionStorage
from shopify_session_storage.sync.portal import Portal, portal, seconds_of
from shopify_session_storage.sync.storage import SyncSessionStorage

_R = TypeVar("_R")

# A call may wait for another process's refresh, and then ask Shopify itself.
_TIMEOUT: Final = timedelta(minutes=2)


class AccessTokenOptions(TypedDict, total=False):
    """The options of :class:`AccessTokenStore` that mean the same here; editors complete them."""

    refresh_before: timedelta
    http_client: object
    request_timeout: timedelta


class SyncAccessTokenStore:
    """The access tokens of an app's shops and users, with methods that block.

    They are those of :class:`AccessTokenStore`, and mean the same. A refresh in the background goes
    on after the call has returned.

    Args:
        storage: Where the tokens are kept: a storage, or a :class:`SyncSessionStorage`.
        app: See :class:`AccessTokenStore`. Sync methods are enough.
        timeout: How long a call may take, except those for many shops; None for no limit besides
            the store's own.
        leases: See :class:`AccessTokenStore`; a storage, or a :class:`SyncSessionStorage`.
        options: The other options of :class:`AccessTokenStore`. Pass no ``http_client`` if the
            process forks: the children would share its connections.
    """

    def __init__(
        self,
        storage: SessionStorage | SyncSessionStorage,
        app: object = None,
        *,
        timeout: timedelta | None = _TIMEOUT,
        leases: SessionStorage | SyncSessionStorage | None = None,
        **options: Unpack[AccessTokenOptions],
    ) -> None:
        kept = _wrapped(storage)
        leases = None if leases is None else _wrapped(leases)
        self._storages = [kept] if leases is None else [kept, leases]
        self._seconds = seconds_of(timeout)
        self._tokens = AccessTokenStore(kept, app, leases=leases, **options)
        self._portal: Portal | None = None

    @hides_locals
    def save(self, access_token: object, *, shop: str | None = None) -> Session:
        """See :meth:`AccessTokenStore.save`."""
        return self._run(lambda: self._tokens.save(access_token, shop=shop))

    @hides_locals
    def load(
        self, shop: str, mode: Mode = "offline", user_id: int | str | None = None
    ) -> AccessToken | None:
        """See :meth:`AccessTokenStore.load`."""
        return self._run(lambda: self._tokens.load(shop, mode, user_id))

    @hides_locals
    def delete(
        self,
        shop: str,
        mode: Mode = "offline",
        user_id: int | str | None = None,
        *,
        only_if: object = None,
    ) -> bool:
        """See :meth:`AccessTokenStore.delete`."""
        return self._run(lambda: self._tokens.delete(shop, mode, user_id, only_if=only_if))

    @hides_locals
    def delete_shop(self, shop: str, installed_before: datetime | None = None) -> None:
        """See :meth:`AccessTokenStore.delete_shop`."""
        return self._run(lambda: self._tokens.delete_shop(shop, installed_before))

    @hides_locals
    def get(
        self,
        shop: str,
        mode: Mode = "offline",
        user_id: int | str | None = None,
        *,
        refused: object = None,
        scopes: str | Iterable[str] | AuthScopes | None = None,
    ) -> AccessToken | None:
        """See :meth:`AccessTokenStore.get`."""
        return self._run(
            lambda: self._tokens.get(shop, mode, user_id, refused=refused, scopes=scopes)
        )

    @hides_locals
    def get_or_exchange(
        self,
        verified: object,
        mode: Mode = "offline",
        *,
        refused: object = None,
        scopes: str | Iterable[str] | AuthScopes | None = None,
    ) -> AccessToken:
        """See :meth:`AccessTokenStore.get_or_exchange`."""
        return self._run(
            lambda: self._tokens.get_or_exchange(verified, mode, refused=refused, scopes=scopes)
        )

    def iter_refresh_due(
        self,
        shops: Iterable[str] | None = None,
        *,
        refresh_token_within: timedelta = timedelta(days=14),
    ) -> Iterator[RefreshDue]:
        """See :meth:`AccessTokenStore.iter_refresh_due`."""
        found = self._tokens.iter_refresh_due(shops, refresh_token_within=refresh_token_within)
        return self._here().iterate(found, None)

    def keep_warm(
        self,
        shops: Iterable[str] | None = None,
        *,
        refresh_token_within: timedelta = timedelta(days=14),
        per_second: float = 5.0,
        on_result: Callable[[ShopResult], object] | None = None,
    ) -> Report:
        """See :meth:`AccessTokenStore.keep_warm`. It has no time limit."""
        return self._here().run(
            lambda: self._tokens.keep_warm(
                shops,
                refresh_token_within=refresh_token_within,
                per_second=per_second,
                on_result=on_result,
            ),
            None,
        )

    def migrate_to_expiring(
        self,
        shops: Iterable[str] | None = None,
        *,
        per_second: float = 2.0,
        on_result: Callable[[ShopResult], object] | None = None,
    ) -> Report:
        """See :meth:`AccessTokenStore.migrate_to_expiring`. It has no time limit."""
        return self._here().run(
            lambda: self._tokens.migrate_to_expiring(
                shops, per_second=per_second, on_result=on_result
            ),
            None,
        )

    def close(self) -> None:
        """Wait for the refreshes that are under way. See :meth:`AccessTokenStore.aclose`."""
        self._run(lambda: self._tokens.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self, call: Callable[[], Coroutine[Any, Any, _R]]) -> _R:
        return self._here().run(call, self._seconds)

    def _here(self) -> Portal:
        """Return this process's portal, which ends refreshes and closes storages in the end."""
        here = portal()
        if self._portal is not here:
            closing = (storage.disconnect for storage in self._storages)
            here.at_exit(self, self._tokens.aclose, *closing)
            self._portal = here
        return here


def _wrapped(storage: SessionStorage | SyncSessionStorage) -> SessionStorage:
    return storage.wrapped if isinstance(storage, SyncSessionStorage) else storage
