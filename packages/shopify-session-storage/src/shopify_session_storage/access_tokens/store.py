"""Access tokens in a session storage, refreshed by one process at a time."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from types import TracebackType
from typing import Final, Literal, Self

from shopify_session_storage.access_tokens import upkeep
from shopify_session_storage.access_tokens.asking import Asking
from shopify_session_storage.access_tokens.calls import Endpoint, fresh_session
from shopify_session_storage.access_tokens.conversion import (
    AccessToken,
    access_token_from_session,
    field,
    is_client_credentials,
    session_id,
    shop_domain,
)
from shopify_session_storage.access_tokens.errors import ReauthorizationRequired
from shopify_session_storage.access_tokens.exchange import Exchanger
from shopify_session_storage.access_tokens.flights import Flights
from shopify_session_storage.access_tokens.lease import Leases
from shopify_session_storage.access_tokens.refresh import Refresher
from shopify_session_storage.access_tokens.sessions import Sessions, usable
from shopify_session_storage.access_tokens.uninstall import uninstall
from shopify_session_storage.errors import SessionStorageUnavailableError
from shopify_session_storage.ids import offline_session_id
from shopify_session_storage.session import Session
from shopify_session_storage.storage import SessionStorage

Mode = Literal["offline", "online"]

_LONGEST_REFRESH_BEFORE: Final = timedelta(minutes=30)


class AccessTokenStore:
    """The access tokens of an app's shops and users: stored, and refreshed when they are due.

    Safe for any number of tasks and processes on one database: a token is refreshed once, nobody
    overwrites a newer one, and a crash at any moment is recovered by the next call. While the old
    access token is valid, callers get it at once, and the refresh goes on beside them.

    A shop may be named in any way: ``alpha``, ``alpha.myshopify.com`` and
    ``https://ALPHA.myshopify.com`` are one.

    Every method that reads or writes the storage raises :class:`SessionStorageError` when that
    fails, whatever the storage's ``on_error`` says: an outage must not look as if nothing were
    stored.

    One object serves one event loop at a time. ``async with`` (or :meth:`aclose`) waits for the
    refreshes that are under way; close the storage after it.

    Args:
        storage: Where they are kept.
        app: A ``ShopifyApp`` of Shopify's ``shopifyapp`` package, or anything with its methods,
            sync or async. Sync ones run in a thread. Only those that ask Shopify need it.
        refresh_before: A token is due this long before it expires; up to 30 minutes.
        http_client: Passed on to the methods of *app*: an ``httpx.AsyncClient``, or an
            ``httpx.Client`` for the sync ones. None: the package makes one for each call.
        request_timeout: How long one answer of Shopify is awaited. A process that dies during a
            refresh keeps others from refreshing the same token for twice as long at most.

    Raises:
        ValueError: If a duration is out of range.
    """

    def __init__(
        self,
        storage: SessionStorage,
        app: object = None,
        *,
        refresh_before: timedelta = timedelta(minutes=5),
        http_client: object = None,
        request_timeout: timedelta = timedelta(seconds=10),
    ) -> None:
        if not timedelta(0) <= refresh_before <= _LONGEST_REFRESH_BEFORE:
            # An access token lives an hour: one that is always due would always be refreshed.
            raise ValueError("refresh_before must lie between 0 and 30 minutes")
        if request_timeout <= timedelta(0):
            raise ValueError("request_timeout must be positive")
        self._sessions = Sessions(storage, refresh_before)
        self._leases = Leases(storage, request_timeout)
        self._asking = Asking(longest_pause=self._leases.patience / 3)
        self._endpoint = Endpoint(app, http_client, request_timeout)
        rooms = (self._sessions, self._leases, self._asking, self._endpoint)
        self._refresher = Refresher(*rooms)
        self._exchanger = Exchanger(*rooms)
        self._flights = Flights()

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

    # --- what is stored ---------------------------------------------------------------------

    async def save(self, access_token: object) -> Session:
        """Store an access token that Shopify has just issued, in place of the earlier one.

        For tokens that you got yourself. Those that this object gets are stored already. To
        exchange an ID token, :meth:`get_or_exchange` is safer: two exchanges at the same moment
        may be saved in the wrong order.

        Args:
            access_token: A ``TokenExchangeAccessToken`` or ``ClientCredentialsAccessToken`` of
                Shopify's package, or a dict of that shape.

        Returns:
            The session that is stored.

        Raises:
            MalformedTokenResponse: If it is not complete or not valid now; nothing is stored.
            ValueError: If it does not name a shop.
        """
        session = fresh_session(access_token, forever=True)
        await self._sessions.store(session)
        self._asking.forget(session.id)
        return session

    async def load(
        self, shop: str, mode: Mode = "offline", user_id: int | str | None = None
    ) -> AccessToken | None:
        """Return what is stored, expired or not, or None. Never asks Shopify. One load.

        Args:
            shop: The shop.
            mode: ``"offline"`` for the shop's token, ``"online"`` for a user's.
            user_id: Whose, if *mode* is ``"online"``.

        Raises:
            ValueError: If *shop* names no shop, or *user_id* does not fit *mode*.
        """
        session = await self._sessions.read(session_id(shop_domain(shop), mode, user_id))
        return None if session is None else access_token_from_session(session)

    async def delete(
        self, shop: str, mode: Mode = "offline", user_id: int | str | None = None
    ) -> None:
        """Delete one access token. A refresh of it that is under way does not bring it back.

        Raises:
            ValueError: If *shop* names no shop, or *user_id* does not fit *mode*.
        """
        id = session_id(shop_domain(shop), mode, user_id)
        self._asking.forget(id)
        if not await self._sessions.storage.delete_session(id):
            raise SessionStorageUnavailableError(f"could not delete session {id!r}")

    async def delete_shop(self, shop: str, installed_before: datetime | None = None) -> None:
        """Delete every session of a shop, because it has uninstalled the app.

        Waits for an exchange that is under way in any process, so that it cannot store what the
        uninstall has ended; a refresh under way stores nothing once its session is deleted.

        Args:
            shop: The shop.
            installed_before: When the shop uninstalled (``X-Shopify-Triggered-At`` of the
                webhook), timezone-aware. Sessions that were issued later belong to a newer
                install and stay. A session does not say when it was issued; that is taken from
                its expiry and the lifetimes that Shopify documents (90 days for a refresh token,
                24 hours for an online access token, 1 hour for an offline one). One that never
                expires counts as older, unless another session of the shop is newer.

        Raises:
            ValueError: If *shop* names no shop, or *installed_before* has no time zone.
        """
        domain = shop_domain(shop)
        if installed_before is not None and installed_before.tzinfo is None:
            raise ValueError("installed_before must be timezone-aware")
        await uninstall(self._sessions, self._leases, self._asking, domain, installed_before)

    # --- what is valid ----------------------------------------------------------------------

    async def get(
        self, shop: str, mode: Mode = "offline", user_id: int | str | None = None
    ) -> AccessToken | None:
        """Return an access token that is valid now, or None if nothing is stored.

        One load, if the token is not due. If it is due but valid, it is returned at once and
        refreshed beside. If it has expired, the call waits for the new one, whichever process
        gets it, for three times ``request_timeout`` at most per attempt.

        Args:
            shop: The shop.
            mode: ``"offline"`` for the shop's token, ``"online"`` for a user's.
            user_id: Whose, if *mode* is ``"online"``.

        Raises:
            ReauthorizationRequired: If it has expired and cannot be refreshed any more.
            TokenRefreshUnavailable: If it has expired and Shopify gives no new one right now.
            MalformedTokenResponse: If it has expired and Shopify's answer is not complete.
            ValueError: If *shop* names no shop, or *user_id* does not fit *mode*.
        """
        session = await self._valid(
            await self._sessions.read(session_id(shop_domain(shop), mode, user_id))
        )
        return None if session is None else access_token_from_session(session)

    async def get_or_exchange(self, verified: object, mode: Mode = "offline") -> AccessToken:
        """Return an access token for a verified request, from its ID token if need be.

        What is stored is used, refreshed if due; if there is nothing, or only a merchant can help,
        the ID token of the request is exchanged, by one process at a time, and the result stored.

        Args:
            verified: The result of ``verify_app_home_req()`` or one of its kin.
            mode: ``"offline"`` for the shop's token, ``"online"`` for the user's.

        Raises:
            ReauthorizationRequired: If the ID token is needed and there is none, or Shopify does
                not take it; ``.response`` is then what to answer.
            TokenRefreshUnavailable: If Shopify gives no token right now.
            MalformedTokenResponse: If Shopify's answer is not complete.
            ValueError: If the request is not verified or names no shop.
        """
        if not field(verified, "ok"):
            raise ValueError("the request is not verified")
        domain = shop_domain(field(verified, "shop"))
        id = session_id(domain, mode, field(verified, "user_id") if mode == "online" else None)
        while True:
            session = await self._sessions.read(id)
            if session is not None and (session.refresh_token or not self._sessions.due(session)):
                try:
                    session = await self._valid(session)
                except ReauthorizationRequired:
                    session = None
                if session is not None:
                    return access_token_from_session(session)
            if field(verified, "id_token") is None:
                raise ReauthorizationRequired(
                    "there is no valid access token, and the request has no ID token",
                    shop=domain,
                    response=field(verified, "invalid_token_response"),
                )
            key = f"exchange {id}"
            theirs = self._flights.get(key)
            if theirs is None:
                mine = self._flights.start(
                    key, lambda: self._exchanger.exchange(id, domain, mode, verified)
                )
                session = await asyncio.shield(mine)
                assert session is not None  # an exchange gives one or raises
                return access_token_from_session(session)
            # Somebody else's ID token may be refused; then the next round tries this one.
            with suppress(ReauthorizationRequired):
                session = await asyncio.shield(theirs)
                assert session is not None
                return access_token_from_session(session)

    # --- upkeep -----------------------------------------------------------------------------

    def iter_refresh_due(
        self,
        shops: Iterable[str] | AsyncIterable[str],
        *,
        refresh_token_within: timedelta = timedelta(days=14),
    ) -> AsyncIterator[upkeep.RefreshDue]:
        """List the shops of *shops* whose offline token is due, or about to be lost.

        A session storage cannot list all its shops, so the app says which. They are read by key,
        a bounded number at a time; nothing is asked of Shopify.

        Args:
            shops: The shops, in any number.
            refresh_token_within: A refresh token is about to be lost if it expires within this
                time; so is the whole access, if nobody refreshes it before.
        """
        return upkeep.iter_refresh_due(
            self._sessions.read, shops, due=self._sessions.due, within=refresh_token_within
        )

    async def keep_warm(
        self,
        shops: Iterable[str] | AsyncIterable[str],
        *,
        refresh_token_within: timedelta = timedelta(days=14),
        per_second: float = 5.0,
    ) -> upkeep.Report:
        """Refresh the tokens of idle shops before their refresh tokens expire.

        Run it once a day. Shops whose refresh token lasts longer are left alone, and a failure of
        one does not stop the others.

        Args:
            shops: The shops, in any number.
            refresh_token_within: Refresh those whose refresh token expires within this time.
            per_second: How many shops are begun in a second at most.
        """
        return await upkeep.keep_warm(
            self.iter_refresh_due(shops, refresh_token_within=refresh_token_within),
            self._refresh_idle,
            per_second,
        )

    async def migrate_to_expiring(
        self,
        shops: Iterable[str] | AsyncIterable[str],
        *,
        per_second: float = 2.0,
    ) -> upkeep.Report:
        """Replace offline tokens that never expire by such that do, without a merchant.

        Irreversible: Shopify ends the old token when it issues the new one. One after the other; a
        shop that has an expiring token already is passed over, so the run may be killed and
        started again; a failure of one shop does not stop the others. A run that is killed between
        Shopify's answer and the next commit loses one shop at most, until its merchant opens the
        app again; cancelling it loses none.

        Needs ``app.config`` with ``client_id`` and ``client_secret``, and httpx, both as in
        Shopify's package, which has no call for this.

        Args:
            shops: The shops, in any number.
            per_second: How many shops are begun in a second at most.
        """
        return await upkeep.migrate_to_expiring(shops, self._migrate, per_second)

    async def _refresh_idle(self, shop: str) -> bool:
        id = offline_session_id(shop)
        session = await self._sessions.read(id)
        if session is None or session.refresh_token is None or not self._sessions.due(session):
            return False
        self._asking.check(session)
        return (
            await asyncio.shield(self._flights.start(id, lambda: self._refresher.refresh(session)))
            is not None
        )

    async def _migrate(self, shop: str) -> bool:
        session = await self._sessions.read(offline_session_id(shop))
        if session is None or session.expires is not None or not session.access_token:
            return False
        flight = self._flights.start(
            f"migrate {session.id}", lambda: self._refresher.migrate(session)
        )
        return await asyncio.shield(flight) is not None

    # --- one attempt for all callers of this process ------------------------------------------

    async def _valid(self, session: Session | None) -> Session | None:
        if session is None or not self._sessions.due(session):
            return session
        renewable = session.refresh_token is not None or is_client_credentials(session)
        if usable(session):
            if (
                renewable
                and not self._asking.is_rejected(session)
                and not self._asking.rest(session.id)
            ):
                self._flights.start(session.id, lambda: self._refresher.refresh(session))
            return session
        if not renewable:
            raise ReauthorizationRequired(
                "the access token has expired and has no refresh token", shop=session.shop
            )
        self._asking.check(session)
        return await asyncio.shield(
            self._flights.start(session.id, lambda: self._refresher.refresh(session))
        )
