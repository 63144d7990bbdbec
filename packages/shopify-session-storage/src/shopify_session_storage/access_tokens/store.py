"""Access tokens in a session storage, refreshed by one process at a time."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Final, Literal, Self

from shopify_session_storage.access_tokens.all_shops import AllShops
from shopify_session_storage.access_tokens.answers import fresh_session
from shopify_session_storage.access_tokens.arguments import (
    check_scopes,
    check_verified,
    field,
    session_id,
    shop_domain,
)
from shopify_session_storage.access_tokens.asking import Asking
from shopify_session_storage.access_tokens.calls import Endpoint
from shopify_session_storage.access_tokens.conversion import access_token_from_session
from shopify_session_storage.access_tokens.exchange import Exchanger
from shopify_session_storage.access_tokens.fence import Fence
from shopify_session_storage.access_tokens.flights import Flights
from shopify_session_storage.access_tokens.frames import hides_locals
from shopify_session_storage.access_tokens.lease import Leases
from shopify_session_storage.access_tokens.refresh import Refresher
from shopify_session_storage.access_tokens.save import save
from shopify_session_storage.access_tokens.serving import Serving
from shopify_session_storage.access_tokens.sessions import Sessions, secret_of
from shopify_session_storage.access_tokens.telling import telling_reauthorization
from shopify_session_storage.access_tokens.tokens import AccessToken
from shopify_session_storage.access_tokens.uninstall import uninstall
from shopify_session_storage.errors import (
    SessionStorageUnavailableError,
)
from shopify_session_storage.scopes import AuthScopes
from shopify_session_storage.session import Session
from shopify_session_storage.storage import SessionStorage
from shopify_session_storage.values import check_date

Mode = Literal["offline", "online"]

_LONGEST_REFRESH_BEFORE: Final = timedelta(minutes=30)


class AccessTokenStore(AllShops):
    """The access tokens of an app's shops and users: stored, and refreshed when they are due.

    Safe for any number of tasks and processes on one database: a token is refreshed once, nobody
    overwrites a newer one, and after a crash the next call puts things right. While the old access
    token is valid, callers get it at once, and the refresh runs in the background.

    A shop may be named in any way: ``alpha``, ``alpha.myshopify.com`` and
    ``https://ALPHA.myshopify.com`` are one.

    If the storage fails, every method that uses it raises :class:`SessionStorageError`, whatever
    ``on_error`` says: an outage must not look as if nothing were stored.

    One object serves one event loop at a time. ``async with`` (or :meth:`aclose`) waits for the
    refreshes that are running; close the storage after it. Without that, a refresh in the
    background ends with the event loop. If a program calls ``asyncio.run()`` for each request or
    job, the object notices that, warns once, and from then on lets callers wait for a token that is
    due.

    Args:
        storage: Where the tokens are kept.
        app: A ``ShopifyApp`` of Shopify's ``shopifyapp`` package, or anything with its methods,
            sync or async. Sync methods run in a thread. Only calls that ask Shopify need it.
        refresh_before: A token is due this long before it expires; up to 30 minutes.
        http_client: Passed on to the methods of *app*: an ``httpx.AsyncClient``, or an
            ``httpx.Client`` if they are sync. None: the package makes one for each call.
        request_timeout: How long to wait for one answer of Shopify. If a process dies during a
            refresh, others can refresh the same token after twice this time at most.
        leases: Another storage that keeps the leases, such as Redis if the database must not get
            another table. None: *storage* itself.

    Raises:
        ValueError: If a duration is out of range.
        TypeError: If *leases* keeps no leases.
    """

    def __init__(
        self,
        storage: SessionStorage,
        app: object = None,
        *,
        refresh_before: timedelta = timedelta(minutes=5),
        http_client: object = None,
        request_timeout: timedelta = timedelta(seconds=10),
        leases: SessionStorage | None = None,
    ) -> None:
        if not timedelta(0) <= refresh_before <= _LONGEST_REFRESH_BEFORE:
            # An access token lives an hour: one that is always due would always be refreshed.
            raise ValueError("refresh_before must lie between 0 and 30 minutes")
        if request_timeout <= timedelta(0):
            raise ValueError("request_timeout must be positive")
        keeper = storage if leases is None else leases
        self._endpoint = Endpoint(app, http_client, request_timeout)
        self._sessions = Sessions(storage, refresh_before, self._endpoint.lifetimes)
        self._leases = Leases(keeper, request_timeout)
        self._fence = Fence(keeper, stay=4 * self._leases.ttl)
        self._asking = Asking(longest_pause=request_timeout.total_seconds())
        self._flights = Flights()
        self._serving = Serving(
            self._sessions,
            self._asking,
            self._flights,
            Refresher(self._sessions, self._leases, self._asking, self._endpoint),
            Exchanger(self._sessions, self._leases, self._fence, self._asking, self._endpoint),
            request_timeout,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Wait for the refreshes that are under way. The object may be used again afterwards."""
        await self._flights.wait()

    @hides_locals
    async def save(self, access_token: object, *, shop: str | None = None) -> Session:
        """Store an access token that Shopify has just issued, in place of the earlier one.

        For tokens that you got yourself; this object stores those that it gets. To exchange an ID
        token, use :meth:`get_or_exchange`, which is safer: two exchanges at the same moment may be
        saved in the wrong order. It takes two round trips more than a store, so as not to undo an
        uninstall at the same moment.

        Args:
            access_token: A ``TokenExchangeAccessToken`` or ``ClientCredentialsAccessToken`` of
                Shopify's package, a dict of that shape, or the JSON that Shopify answers to an
                authorization code grant.
            shop: The shop, if *access_token* does not name it: a code grant does not.

        Returns:
            The session that is stored.

        Raises:
            MalformedTokenResponse: If it is not complete or not valid now; nothing is stored.
            ReauthorizationRequired: If the shop uninstalls the app meanwhile; nothing is stored.
            ValueError: If it does not name a shop, or names another than *shop*.
            TypeError: If it is not an access token.
        """
        session = fresh_session(access_token, shop=shop, forever=True)
        await save(self._sessions, self._fence, self._asking, session)
        return session

    @hides_locals
    async def load(
        self, shop: str, mode: Mode = "offline", user_id: int | str | None = None
    ) -> AccessToken | None:
        """Return what is stored, expired or not, or None. Never asks Shopify. One load.

        Args:
            shop: The shop, named in any way.
            mode: ``"offline"`` for the shop's token, ``"online"`` for a user's.
            user_id: The user's id, if *mode* is ``"online"``.

        Raises:
            ValueError: If *shop* names no shop, or *user_id* does not fit *mode*.
        """
        id = session_id(shop_domain(shop), mode, user_id)
        session = await self._sessions.read(id, fresh=False)
        return None if session is None else access_token_from_session(session)

    @hides_locals
    async def delete(
        self,
        shop: str,
        mode: Mode = "offline",
        user_id: int | str | None = None,
        *,
        only_if: object = None,
    ) -> bool:
        """Delete one access token. A refresh that is under way does not bring it back.

        Args:
            shop: The shop, named in any way.
            mode: ``"offline"`` for the shop's token, ``"online"`` for a user's.
            user_id: The user's id, if *mode* is ``"online"``.
            only_if: The access token that Shopify has refused, as :meth:`get` returned it or as
                it was sent. If another one is stored by now, it stays: the shop may have installed
                the app again. None: whatever is stored goes.

        Returns:
            True if nothing is stored any more; False if *only_if* is not what is stored.

        Raises:
            ValueError: If *shop* names no shop, or *user_id* does not fit *mode*.
            TypeError: If *only_if* is not an access token.
        """
        id = session_id(shop_domain(shop), mode, user_id)
        if only_if is None:
            self._asking.forget(id)
            if not await self._sessions.storage.delete_session(id):
                raise SessionStorageUnavailableError(f"could not delete session {id!r}")
            return True
        if await self._sessions.delete_if(id, secret_of(only_if)):
            self._asking.forget(id)
            return True
        return False

    @hides_locals
    async def delete_shop(self, shop: str, installed_before: datetime | None = None) -> None:
        """Delete every session of a shop, because it has uninstalled the app.

        Does not wait for refreshes or exchanges, so that a webhook is answered in time. Those that
        are under way, in any process, store nothing of the old install afterwards, or remove it at
        once. An exchange that is under way raises :class:`ReauthorizationRequired`, with the answer
        that lets the browser come again; if *installed_before* is given, it asks Shopify again
        instead.

        Args:
            shop: The shop, named in any way.
            installed_before: When the shop uninstalled (``X-Shopify-Triggered-At`` of the webhook),
                timezone-aware. Sessions that Shopify issued later belong to a newer install, and
                stay. None: all are deleted, also those of a newer install. A session does not say
                when it was issued, so that is computed from its expiry and the lifetimes that
                Shopify documents (90 days for a refresh token, 24 hours for an online access token,
                1 hour for an offline one). A session that never expires counts as older, unless
                another session of the shop is newer.

        Raises:
            CorruptSessionError: If a session of the shop cannot be read; the offline session is
                deleted all the same.
            TypeError: If *installed_before* is not a datetime.
            ValueError: If *shop* names no shop, or *installed_before* has no time zone.
        """
        domain = shop_domain(shop)
        if installed_before is not None:
            check_date("installed_before", installed_before)
        await uninstall(self._sessions, self._fence, self._asking, domain, installed_before)

    @hides_locals
    async def get(
        self,
        shop: str,
        mode: Mode = "offline",
        user_id: int | str | None = None,
        *,
        refused: object = None,
        scopes: str | Iterable[str] | AuthScopes | None = None,
    ) -> AccessToken | None:
        """Return an access token that is valid now, or None if nothing is stored.

        If the token is not due, this takes one load. If it is due but valid, it is returned at once
        and refreshed in the background. If it has expired, the call waits for the new one,
        whichever process gets it, for three times ``request_timeout`` at most per attempt.

        Args:
            shop: The shop, named in any way.
            mode: ``"offline"`` for the shop's token, ``"online"`` for a user's.
            user_id: The user's id, if *mode* is ``"online"``.
            refused: An access token that Shopify has just answered with 401, as this method
                returned it or as it was sent. It is not returned again: if it is still what is
                stored, it counts as expired.
            scopes: The scopes that the token must have.

        Raises:
            ReauthorizationRequired: If it has expired and cannot be refreshed any more, or lacks
                some of *scopes*.
            TokenRefreshUnavailable: If it has expired and Shopify gives no new one right now;
                :class:`ShopUnavailable`, if the shop is closed or frozen.
            MalformedTokenResponse: If it has expired and Shopify's answer is not complete.
            ValueError: If *shop* names no shop, or *user_id* does not fit *mode*.
            TypeError: If *refused* is not an access token.
        """
        id = session_id(shop_domain(shop), mode, user_id)
        secret = None if refused is None else secret_of(refused)
        wanted = AuthScopes(scopes)
        with telling_reauthorization(mode):
            session = await self._sessions.read(id, fresh=secret is not None or bool(wanted))
            if secret is not None and session is not None and session.access_token == secret:
                session = await self._serving.replaced(session)
            else:
                session = await self._serving.valid(session)
            if session is None:
                return None
            check_scopes(session, wanted)
            return access_token_from_session(session)

    @hides_locals
    async def get_or_exchange(
        self,
        verified: object,
        mode: Mode = "offline",
        *,
        refused: object = None,
        scopes: str | Iterable[str] | AuthScopes | None = None,
    ) -> AccessToken:
        """Return an access token for a verified request; exchange its ID token if necessary.

        A stored token is used, and refreshed if it is due. If nothing is stored, or what is stored
        cannot be refreshed any more, the ID token of the request is exchanged, by one process at a
        time, and the result is stored.

        If a shop uninstalls the app and installs it again, its request may come before the webhook
        of the uninstall. Then what is stored belongs to the old install: it looks valid, but
        Shopify answers 401. Call this again with that token as *refused*.

        Args:
            verified: The result of ``verify_app_home_req()`` or a similar method.
            mode: ``"offline"`` for the shop's token, ``"online"`` for the user's.
            refused: An access token that Shopify has just answered with 401. If it is still what
                is stored, the ID token is exchanged.
            scopes: The scopes that the token must have. If what is stored lacks some, the ID token
                is exchanged: the merchant may have granted more since.

        Raises:
            ReauthorizationRequired: If the ID token is needed and there is none, or Shopify does
                not accept it; answer with ``.response``. Also if the new token lacks some of
                *scopes*.
            RequestNotVerified: If the request is not verified; answer with ``.response``.
            TokenRefreshUnavailable: If Shopify gives no token right now, or *refused* once more.
            MalformedTokenResponse: If Shopify's answer is not complete.
            DecryptionError: If what is stored is encrypted with a key that is not here. It is not
                replaced, since other processes may have that key.
            ValueError: If the request names no shop.
            TypeError: If *verified* is something else.
        """
        check_verified(verified)
        wanted = AuthScopes(scopes)
        domain = shop_domain(field(verified, "shop"))
        id = session_id(domain, mode, field(verified, "user_id") if mode == "online" else None)
        secret = None if refused is None else secret_of(refused)
        with telling_reauthorization(mode):
            return access_token_from_session(
                await self._serving.worth(id, domain, mode, verified, secret, wanted)
            )
