"""The sessions of access tokens as they are stored: read so that no outage looks empty."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from shopify_session_storage.access_tokens.arguments import field
from shopify_session_storage.access_tokens.conversion import (
    access_token_from_session,
    is_client_credentials,
)
from shopify_session_storage.access_tokens.lease import pauses
from shopify_session_storage.access_tokens.lifetimes import Lifetimes
from shopify_session_storage.access_tokens.tokens import AccessToken
from shopify_session_storage.caching import fresh_reads
from shopify_session_storage.errors import SessionStorageUnavailableError
from shopify_session_storage.failures import failures_raised
from shopify_session_storage.session import Session
from shopify_session_storage.storage import SessionStorage

_logger: Final = logging.getLogger("shopify_session_storage.access_tokens")

# A token with less left than this may expire on its way to Shopify: better wait for the new one.
_MARGIN: Final = timedelta(seconds=5)

# Longer than any that Shopify has issued so far.
_LONGEST_TOKEN: Final = "x" * 64

# What Shopify documents. Only used to tell how old a token is.
_REFRESH_TOKEN_LIFETIME: Final = timedelta(days=90)
_OFFLINE_LIFETIME: Final = timedelta(hours=1)
_ONLINE_LIFETIME: Final = timedelta(hours=24)


class Sessions:
    """The stored sessions of access tokens.

    Args:
        storage: Where they are kept.
        refresh_before: A token is due this long before it expires.
        lifetimes: How long those live that Shopify issues.
    """

    def __init__(
        self, storage: SessionStorage, refresh_before: timedelta, lifetimes: Lifetimes
    ) -> None:
        self.storage = storage
        self._refresh_before = refresh_before
        self._lifetimes = lifetimes

    def due(self, session: Session, refused: str | None = None) -> bool:
        """Tell whether a token has expired, or is about to, or is *refused*."""
        if session.access_token == refused:
            return True
        return self._lifetimes.due(session, self._refresh_before)

    async def load(self, id: str) -> Session | None:
        """Return what is stored, also an authorization that was never finished."""
        with fresh_reads():
            return await self._load(id)

    async def read(self, id: str, *, fresh: bool = True) -> Session | None:
        """Return what is stored with an access token.

        Args:
            id: Its id.
            fresh: Whether it must be what is stored now. If not, what a cache knows is as good:
                a token that works for a while yet.
        """
        session = await (self.load(id) if fresh else self._load(id))
        return session if session is not None and session.access_token else None

    async def _load(self, id: str) -> Session | None:
        with failures_raised():  # an outage must not look as if nothing were stored
            return await self.storage.load_session(id)

    async def find(self, domain: str) -> list[Session]:
        """Return all sessions of a shop."""
        with failures_raised():
            return await self.storage.find_sessions_by_shop(domain)

    async def store(self, session: Session) -> None:
        """Store a session, whatever is there."""
        if not await self.storage.store_session(session):
            raise SessionStorageUnavailableError(f"could not store session {session.id!r}")

    async def check_fits(self, session: Session) -> None:
        """See that new tokens of *session* could be stored, before the old ones are given up.

        Raises:
            InvalidSessionError: If the backend has no place for them.
        """
        soon = datetime.now(UTC) + timedelta(hours=1)
        wanted = replace(session, access_token=_LONGEST_TOKEN, expires=soon)
        if not session.is_online:
            wanted = replace(wanted, refresh_token=_LONGEST_TOKEN, refresh_token_expires=soon)
        await self.storage.check_fits(wanted)

    async def delete_if(self, id: str, access_token: str) -> bool:
        """Delete what is stored with *access_token*, and tell whether nothing is stored now."""
        while True:
            session = await self.load(id)
            if session is None:
                return True
            if session.access_token != access_token:
                return False
            if await self.storage.compare_and_delete(session):
                return True


async def persist(write: Callable[[], Coroutine[Any, Any, bool]], seconds: float) -> bool:
    """Store what Shopify has issued, trying again for so long while the backend is down."""
    deadline = time.monotonic() + seconds
    for pause in pauses():
        try:
            return await write()
        except SessionStorageUnavailableError as error:
            if time.monotonic() + pause > deadline:
                raise
            _logger.warning("could not store a new access token yet: %s", error)
        await asyncio.sleep(pause)
    raise AssertionError  # pauses do not end


def usable(session: Session, refused: str | None = None) -> bool:
    """Tell whether a token can be sent to Shopify now.

    Args:
        session: Its session.
        refused: An access token that Shopify does not take.
    """
    return session.access_token != refused and not session.is_expired(within=_MARGIN)


def secret_of(token: object) -> str:
    """Return the access token itself of what a caller says that Shopify refused.

    Args:
        token: An ``AccessToken``, one of Shopify's package, a dict of that shape, or the text that
            was sent in the header.

    Raises:
        TypeError: If it is none of these.
    """
    secret = token if isinstance(token, str) else field(token, "token")
    if not isinstance(secret, str):
        raise TypeError(f"an access token is expected, not {type(token).__name__}")
    return secret


def still_valid(session: Session) -> AccessToken | None:
    """Return the access token of *session* unless it has expired."""
    if not session.access_token or session.is_expired():
        return None
    return access_token_from_session(session)


def issued(session: Session) -> datetime | None:
    """Return the latest moment at which a session's tokens can have been issued.

    Shopify's package and some layouts round dates down to whole seconds.

    Returns:
        None if it does not show.
    """
    if session.refresh_token_expires is not None:
        ends, lifetime = session.refresh_token_expires, _REFRESH_TOKEN_LIFETIME
    elif session.expires is not None:
        # Those of client credentials live as long as online ones.
        short = not session.is_online and not is_client_credentials(session)
        ends, lifetime = session.expires, _OFFLINE_LIFETIME if short else _ONLINE_LIFETIME
    else:
        return None
    rounded = timedelta(milliseconds=1) if ends.microsecond else timedelta(seconds=1)
    return ends - lifetime + rounded
