"""What callers get: what is stored, what they wait for, and what goes on beside them."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from shopify_session_storage.access_tokens.arguments import check_scopes, lacks_scopes
from shopify_session_storage.access_tokens.asking import Asking
from shopify_session_storage.access_tokens.conversion import field, is_client_credentials
from shopify_session_storage.access_tokens.errors import (
    AccessTokenError,
    ReauthorizationRequired,
    TokenRefreshUnavailable,
)
from shopify_session_storage.access_tokens.exchange import Exchanger
from shopify_session_storage.access_tokens.fence import Uninstalled
from shopify_session_storage.access_tokens.flights import Flights
from shopify_session_storage.access_tokens.refresh import Refresher
from shopify_session_storage.access_tokens.sessions import Sessions, usable
from shopify_session_storage.access_tokens.telling import tell_stale
from shopify_session_storage.encryption.cipher import DecryptionError
from shopify_session_storage.errors import CorruptSessionError, SessionStorageError
from shopify_session_storage.ids import offline_session_id
from shopify_session_storage.scopes import AuthScopes
from shopify_session_storage.session import Session
from shopify_session_storage.waiting import result_of

_ROUNDS = 3


class Serving:
    """Serves all callers of one process.

    Args:
        sessions: What is stored.
        asking: What is known of Shopify.
        flights: What is under way.
        refresher: Gets what follows a session.
        exchanger: Gets what an ID token is worth.
        request_timeout: For how long somebody with a valid token waits for the next one, where
            nothing can go on beside them.
    """

    def __init__(
        self,
        sessions: Sessions,
        asking: Asking,
        flights: Flights,
        refresher: Refresher,
        exchanger: Exchanger,
        request_timeout: timedelta,
    ) -> None:
        self._sessions = sessions
        self._asking = asking
        self._flights = flights
        self._refresher = refresher
        self._exchanger = exchanger
        self._request_timeout = request_timeout.total_seconds()

    async def valid(self, session: Session | None) -> Session | None:
        """Return *session* if it is valid, or what follows it; None if nothing is stored."""
        if session is None or not self._sessions.due(session):
            return session
        if usable(session):
            served = await self._beside(session)
            if served is session:
                tell_stale(session)
            return served
        if not _renewable(session):
            raise ReauthorizationRequired(
                "the access token has expired and has no refresh token", shop=session.shop
            )
        return await self._refreshed(session)

    async def replaced(self, session: Session) -> Session | None:
        """Return what follows *session*, whose access token Shopify has refused."""
        if not _renewable(session):
            raise ReauthorizationRequired(
                "Shopify refuses the access token, and it has no refresh token", shop=session.shop
            )
        refused = session.access_token
        try:
            for _ in range(_ROUNDS):
                self._asking.check(session)
                flight = self._flights.start(
                    f"refused {session.id}", lambda: self._refresher.refresh(session, refused)
                )
                new = await result_of(flight)
                # It may have begun for somebody whom Shopify had refused an earlier one.
                if new is None or new.access_token != refused:
                    return new
        except TokenRefreshUnavailable as error:
            error.access_token = None  # what is still valid by its date has been refused
            raise
        raise TokenRefreshUnavailable("the access token keeps changing", shop=session.shop)

    async def worth(
        self,
        id: str,
        domain: str,
        mode: str,
        verified: object,
        refused: str | None,
        wanted: AuthScopes,
    ) -> Session:
        """Return what is stored under *id* and will do, or else what the ID token is worth.

        Args:
            id: Whose session it is.
            domain: The shop's.
            mode: ``"offline"`` or ``"online"``.
            verified: The result of ``verify_app_home_req()`` or a similar method.
            refused: An access token that will not do, because Shopify has refused it.
            wanted: What it has to be good for.
        """
        has_id_token = field(verified, "id_token") is not None
        fresh = refused is not None or bool(wanted)
        unwanted = refused
        while True:
            session = await self._without_id_token(id, unwanted, has_id_token, fresh=fresh)
            fresh = True
            if session is not None and has_id_token and lacks_scopes(session, wanted):
                unwanted, session = session.access_token, None
            if session is None and not has_id_token:
                raise ReauthorizationRequired(
                    "there is no valid access token, and the request has no ID token",
                    shop=domain,
                    response=field(verified, "invalid_token_response"),
                )
            session = session or await self._exchanged(id, domain, mode, verified, unwanted)
            if session is not None:
                check_scopes(session, wanted)
                if session.access_token == refused:
                    raise TokenRefreshUnavailable(
                        "Shopify gives the access token again that it refuses", shop=domain
                    )
                return session

    async def _without_id_token(
        self, id: str, refused: str | None, has_id_token: bool, *, fresh: bool
    ) -> Session | None:
        """Return what is stored under *id* and valid, or None if it takes an ID token.

        Args:
            id: Whose session it is.
            refused: An access token that will not do, because Shopify has refused it.
            has_id_token: Whether there is one.
            fresh: Whether it must be what is stored now, rather than what a cache knows.
        """
        try:
            session = await self._sessions.read(id, fresh=fresh)
        except CorruptSessionError as error:
            # With a wrong key here, another process may read it: it must not be replaced.
            if not has_id_token or isinstance(error, DecryptionError):
                raise
            return None
        try:
            if session is not None and session.access_token == refused:
                return None if has_id_token else await self.replaced(session)
            if session is not None and not session.refresh_token and self._sessions.due(session):
                return None
            if session is not None and has_id_token and not usable(session):
                self._asking.merchant_is_there(id)
            return await self.valid(session)
        except ReauthorizationRequired:
            return None

    async def _exchanged(
        self, id: str, domain: str, mode: str, verified: object, refused: str | None
    ) -> Session | None:
        """Return what the ID token of *verified* is worth; None to look again at what is stored.

        It is *refused* only if Shopify itself gives that again: to ask once more would not help.
        """
        key = f"exchange {id}"
        theirs = self._flights.get(key)
        flight = theirs or self._flights.start(
            key, lambda: self._exchanger.exchange(id, domain, mode, verified, refused)
        )
        try:
            session = await result_of(flight)
        except Uninstalled:
            pass
        except ReauthorizationRequired:
            if theirs is None:
                raise
            return None  # somebody else's ID token was refused
        else:
            # Somebody else's exchange may have begun before that one was refused.
            return None if theirs and session and session.access_token == refused else session
        raise ReauthorizationRequired(
            "the shop has uninstalled the app meanwhile",
            shop=domain,
            response=field(verified, "invalid_token_response"),
        )

    async def refresh_idle(self, shop: str) -> bool:
        """Refresh the offline token of *shop* if it is due, and tell whether that was done."""
        session = await self._sessions.read(offline_session_id(shop))
        if session is None or session.refresh_token is None or not self._sessions.due(session):
            return False
        return await self._refreshed(session) is not None

    async def migrate(self, shop: str) -> bool:
        """Replace the offline token of *shop* if it never expires, and tell whether it did."""
        session = await self._sessions.read(offline_session_id(shop))
        if session is None or session.expires is not None or not session.access_token:
            return False
        self._asking.check_not_rejected(session)
        flight = self._flights.start(
            f"migrate {session.id}", lambda: self._refresher.migrate(session)
        )
        return await result_of(flight) is not None

    async def _refreshed(self, session: Session) -> Session | None:
        self._asking.check(session)
        flight = self._flights.start(session.id, lambda: self._refresher.refresh(session))
        return await result_of(flight)

    async def _beside(self, session: Session) -> Session | None:
        """Begin to refresh what is due but valid, and return it."""
        if (
            not _renewable(session)
            or self._asking.is_rejected(session)
            or self._asking.rest(session.id)
        ):
            return session
        flight = self._flights.start(session.id, lambda: self._refresher.refresh(session))
        if self._flights.cut_off:
            with suppress(TimeoutError, AccessTokenError, SessionStorageError):
                async with asyncio.timeout(self._request_timeout):
                    return await result_of(flight)
        return session


def _renewable(session: Session) -> bool:
    return session.refresh_token is not None or is_client_credentials(session)
