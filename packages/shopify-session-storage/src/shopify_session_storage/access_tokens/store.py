"""Access tokens in a session storage, refreshed by one process at a time."""

import asyncio
import logging
import random
import time
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Final, Literal, Self

from shopify_session_storage.access_tokens import upkeep
from shopify_session_storage.access_tokens.calls import (
    Endpoint,
    RefreshTokenRejected,
    fresh_session,
)
from shopify_session_storage.access_tokens.conversion import (
    AccessToken,
    access_token_from_session,
    field,
    is_client_credentials,
    session_id,
    shop_domain,
)
from shopify_session_storage.access_tokens.errors import (
    AccessTokenError,
    MalformedTokenResponse,
    ReauthorizationRequired,
    TokenRefreshUnavailable,
)
from shopify_session_storage.errors import SessionStorageError, SessionStorageUnavailableError
from shopify_session_storage.failures import failures_raised
from shopify_session_storage.ids import offline_session_id
from shopify_session_storage.session import Session
from shopify_session_storage.storage import SessionStorage
from shopify_session_storage.stored import has_same_tokens

Mode = Literal["offline", "online"]

_logger: Final = logging.getLogger("shopify_session_storage.access_tokens")

# A token with less left than this may expire on its way to Shopify: better wait for the new one.
_MARGIN: Final = timedelta(seconds=5)
_LONGEST_REFRESH_BEFORE: Final = timedelta(minutes=30)
_ATTEMPTS: Final = 3
_FIRST_PAUSE: Final = 0.2
# After a rejection: whoever replaced the refresh token may be about to store what they got.
_GRACE: Final = 0.25
_LONGEST_REST: Final = 60.0

# What Shopify documents. Only used to tell how old a token is.
_REFRESH_TOKEN_LIFETIME: Final = timedelta(days=90)
_OFFLINE_LIFETIME: Final = timedelta(hours=1)
_ONLINE_LIFETIME: Final = timedelta(hours=24)


class _Superseded(Exception):  # noqa: N818  # not an error: the store is read again
    """Somebody else is at it, or was faster."""


@dataclass
class _Lease:
    """The right to talk to the token endpoint about one session, among all processes."""

    storage: SessionStorage
    name: str
    ttl: timedelta
    holder: str

    async def acquire(self) -> bool:
        """Take it, or renew it."""
        return await self.storage.acquire_lease(self.name, self.holder, self.ttl)

    async def renew(self) -> None:
        """Take it for the whole time again.

        Raises:
            _Superseded: If somebody else has it by now.
        """
        if not await self.acquire():
            raise _Superseded

    async def release(self) -> None:
        """Give it up. If that fails, it ends by itself."""
        try:
            await self.storage.release_lease(self.name, self.holder)
        except SessionStorageError as error:
            _logger.warning("could not release the lease of %r: %s", self.name, error)


@dataclass
class _Rest:
    """How long Shopify is left alone about one session, after failures."""

    failures: int
    until: float


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
        self._storage = storage
        self._endpoint = Endpoint(app, http_client, request_timeout)
        self._refresh_before = refresh_before
        self._ttl = 2 * request_timeout
        # Long enough to outlive the lease of a process that died, and to ask oneself.
        self._patience = (3 * request_timeout).total_seconds()
        self._flights: dict[str, asyncio.Task[Session | None]] = {}
        self._rests: dict[str, _Rest] = {}
        # By session id, the refresh token that Shopify has rejected for good.
        self._rejected: dict[str, str | None] = {}

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
        loop = asyncio.get_running_loop()
        while flights := [task for task in self._flights.values() if task.get_loop() is loop]:
            await asyncio.wait(flights)
            await asyncio.sleep(0)  # lets their callbacks remove them
        self._flights.clear()

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
        await self._store(session)
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
        session = await self._read(session_id(shop_domain(shop), mode, user_id))
        return None if session is None else access_token_from_session(session)

    async def delete(
        self, shop: str, mode: Mode = "offline", user_id: int | str | None = None
    ) -> None:
        """Delete one access token. A refresh of it that is under way does not bring it back.

        Raises:
            ValueError: If *shop* names no shop, or *user_id* does not fit *mode*.
        """
        id = session_id(shop_domain(shop), mode, user_id)
        self._forget(id)
        if not await self._storage.delete_session(id):
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
        lease = self._lease(offline_session_id(domain))
        held = await lease.acquire()
        if not held:
            await self._delete_shop(domain, installed_before)  # at once what can be
            try:
                await self._wait_for(lease, self._ttl.total_seconds())
            except TimeoutError:
                _logger.warning("%s: deleted without the lease", domain)
        try:
            await self._delete_shop(domain, installed_before)
        finally:
            await lease.release()

    async def _delete_shop(self, domain: str, installed_before: datetime | None) -> None:
        found = {session.id: session for session in await self._find(domain)}
        # An index may lag behind; the most important session is read by its key.
        offline = await self._read(offline_session_id(domain))
        if offline is not None:
            found[offline.id] = offline
        if installed_before is not None:
            ages = {id: _issued(session) for id, session in found.items()}
            again = any(issued and issued >= installed_before for issued in ages.values())
            found = {
                id: session
                for id, session in found.items()
                if (not again if (issued := ages[id]) is None else issued < installed_before)
            }
        for id in found:
            self._forget(id)
        if not await self._storage.delete_sessions(list(found)):
            raise SessionStorageUnavailableError(f"could not delete the sessions of {domain!r}")

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
        session = await self._valid(await self._read(session_id(shop_domain(shop), mode, user_id)))
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
            session = await self._read(id)
            if session is not None and (session.refresh_token or not self._due(session)):
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
            theirs = self._flight(key)
            if theirs is None:
                mine = self._fly(key, lambda: self._exchange(id, domain, mode, verified))
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
            self._read, shops, due=self._due, within=refresh_token_within
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
        session = await self._read(id)
        if session is None or session.refresh_token is None or not self._due(session):
            return False
        self._check_can_refresh(session)
        return await asyncio.shield(self._fly(id, lambda: self._refresh(session))) is not None

    async def _migrate(self, shop: str) -> bool:
        session = await self._read(offline_session_id(shop))
        if session is None or session.expires is not None or not session.access_token:
            return False
        flight = self._fly(f"migrate {session.id}", lambda: self._migrate_alone(session))
        return await asyncio.shield(flight) is not None

    async def _migrate_alone(self, seen: Session) -> Session | None:
        lease = self._lease(seen.id)
        await self._acquire(lease, seen.shop)
        try:
            current = await self._read(seen.id)
            if current is None or current.expires is not None:
                return None
            new = await self._ask(lease, current, lambda: self._endpoint.migrate(current))
            return await self._commit(new, current, lease)
        except _Superseded:
            pass
        finally:
            await lease.release()
        raise TokenRefreshUnavailable("somebody else changes the access token", shop=seen.shop)

    # --- one attempt for all callers of this process ------------------------------------------

    async def _valid(self, session: Session | None) -> Session | None:
        if session is None or not self._due(session):
            return session
        renewable = session.refresh_token is not None or is_client_credentials(session)
        if _usable(session):
            if renewable and not self._is_rejected(session) and not self._rest_of(session.id):
                self._fly(session.id, lambda: self._refresh(session))
            return session
        if not renewable:
            raise ReauthorizationRequired(
                "the access token has expired and has no refresh token", shop=session.shop
            )
        self._check_can_refresh(session)
        return await asyncio.shield(self._fly(session.id, lambda: self._refresh(session)))

    def _check_can_refresh(self, session: Session) -> None:
        if self._is_rejected(session):
            raise ReauthorizationRequired(
                "the refresh token is not valid any more", shop=session.shop
            )
        if rest := self._rest_of(session.id):
            raise TokenRefreshUnavailable(
                "Shopify gave no access token a moment ago",
                shop=session.shop,
                access_token=_still_valid(session),
                retry_after=timedelta(seconds=rest),
            )

    def _fly(
        self, key: str, work: Callable[[], Coroutine[Any, Any, Session | None]]
    ) -> asyncio.Task[Session | None]:
        """Return the task that works on *key*, started if there is none.

        It is nobody's: who waits for it does so behind a shield, so that a cancelled caller ends
        it neither for the others nor between Shopify's answer and the commit.
        """
        task = self._flight(key)
        if task is None:
            task = self._flights[key] = asyncio.ensure_future(work())
            task.add_done_callback(lambda task: self._landed(key, task))
        return task

    def _flight(self, key: str) -> asyncio.Task[Session | None] | None:
        task = self._flights.get(key)
        if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop():
            return None
        return task

    def _landed(self, key: str, task: asyncio.Task[Session | None]) -> None:
        if self._flights.get(key) is task:
            del self._flights[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            # Perhaps nobody waits for it. Messages of ours carry no token; others are not shown.
            ours = isinstance(error, AccessTokenError | SessionStorageError)
            _logger.warning("%s", error if ours else f"{key}: {type(error).__name__}")

    # --- the refresh, for all processes ---------------------------------------------------------

    async def _refresh(self, seen: Session) -> Session | None:
        """Return the session that follows *seen*, whoever got it; None if it was deleted."""
        lease = self._lease(seen.id)
        deadline = time.monotonic() + self._patience
        for pause in _pauses():
            if await lease.acquire():
                try:
                    return await self._refresh_alone(lease)
                except _Superseded:
                    pass
                finally:
                    await lease.release()
            elif _usable(seen):
                return seen  # somebody else is at it, and nobody waits
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(pause)
            session = await self._read(seen.id)
            if session is None or _usable(session):
                return session
        raise TokenRefreshUnavailable(
            "another process is refreshing the access token", shop=seen.shop
        )

    async def _refresh_alone(self, lease: _Lease) -> Session | None:
        current = await self._read(lease.name)
        if current is None or not self._due(current):
            return current
        self._check_can_refresh(current)
        try:
            new = await self._ask(lease, current, lambda: self._endpoint.renew(current))
        except RefreshTokenRejected:
            new = None
        if new is not None:
            return await self._commit(new, current, lease)
        # It proves nothing until the store has been read again.
        for pause in (0, _GRACE):
            await asyncio.sleep(pause)
            if not has_same_tokens(await self._read(current.id), current):
                raise _Superseded
        self._rejected[current.id] = current.refresh_token
        raise ReauthorizationRequired("Shopify rejects the refresh token", shop=current.shop)

    async def _ask(
        self, lease: _Lease, current: Session, call: Callable[[], Coroutine[Any, Any, Session]]
    ) -> Session:
        """Ask Shopify, a few times if that may help. No connection to the database is held."""
        attempts = _ATTEMPTS
        while True:
            attempts -= 1
            unavailable: TokenRefreshUnavailable
            try:
                new = await call()
            except MalformedTokenResponse:
                self._note_failure(current.id, None)
                raise
            except TokenRefreshUnavailable as error:
                unavailable = error
            else:
                self._rests.pop(current.id, None)
                return new
            pause = _FIRST_PAUSE * 2 ** (_ATTEMPTS - attempts) * random.uniform(0.25, 1)  # noqa: S311
            wanted = unavailable.retry_after
            if wanted is not None:
                pause += wanted.total_seconds()
            if attempts == 0 or pause > self._patience / 3:
                self._note_failure(current.id, wanted)
                unavailable.access_token = _still_valid(current)
                raise unavailable
            await asyncio.sleep(pause)
            await lease.renew()

    async def _commit(self, new: Session, current: Session, lease: _Lease) -> Session | None:
        """Store *new* in place of *current*, or return the newer one that won.

        Until it is stored, nobody gets it: as long as the new refresh token was never used,
        Shopify takes the old one again, so whoever comes next recovers if this fails for good.
        """
        if not await self._persist(lambda: self._compare_and_store(new, current, lease)):
            stored = await self._read(new.id)
            # A write whose answer was lost may have taken place all the same.
            if not has_same_tokens(stored, new):
                if stored is None or _usable(stored):
                    return stored
                raise _Superseded
        self._forget(new.id)
        _logger.info("%s: refreshed the access token", new.shop)
        return new

    async def _compare_and_store(self, new: Session, current: Session, lease: _Lease) -> bool:
        # A process that was suspended for longer than its lease must not store what it got before
        # somebody else asked again.
        await lease.renew()
        return await self._storage.compare_and_store(new, current)

    async def _exchange(self, id: str, shop: str, mode: str, verified: object) -> Session:
        lease = self._lease(id)
        await self._acquire(lease, shop)
        try:
            current = await self._read(id)
            if current is not None and not self._due(current):
                return current  # somebody else's, stored while this call waited
            subject = current or Session(id=id, shop=shop, state="", is_online=mode == "online")
            new = await self._ask(
                lease, subject, lambda: self._endpoint.exchange(shop, mode, verified)
            )
            if new.id != id:
                raise MalformedTokenResponse(
                    "the access token is another user's", shop=shop, fields=("associated_user",)
                )

            async def store() -> bool:
                await lease.renew()
                # Not compared: an exchange ends all earlier refresh tokens, so it wins.
                await self._store(new)
                return True

            await self._persist(store)
            return new
        except _Superseded:
            pass
        finally:
            await lease.release()
        raise TokenRefreshUnavailable("another process is exchanging an ID token", shop=shop)

    async def _persist(self, write: Callable[[], Coroutine[Any, Any, bool]]) -> bool:
        """Store what Shopify has issued, trying again while the backend is down.

        For about half the time of the lease, so that nobody has asked again meanwhile.
        """
        deadline = time.monotonic() + self._ttl.total_seconds() / 2
        for pause in _pauses():
            try:
                return await write()
            except SessionStorageUnavailableError as error:
                if time.monotonic() + pause > deadline:
                    raise
                _logger.warning("could not store a new access token yet: %s", error)
            await asyncio.sleep(pause)
        raise AssertionError  # pauses do not end

    # --- leases and failures -------------------------------------------------------------------

    def _lease(self, name: str) -> _Lease:
        return _Lease(self._storage, name, self._ttl, uuid.uuid4().hex)

    async def _acquire(self, lease: _Lease, shop: str) -> None:
        try:
            if not await lease.acquire():
                await self._wait_for(lease, self._patience)
            return
        except TimeoutError:
            pass
        raise TokenRefreshUnavailable("another process does not come to an end", shop=shop)

    async def _wait_for(self, lease: _Lease, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        for pause in _pauses():
            await asyncio.sleep(pause)
            if await lease.acquire():
                return
            if time.monotonic() > deadline:
                raise TimeoutError

    def _note_failure(self, id: str, wanted: timedelta | None) -> None:
        failures = self._rests[id].failures + 1 if id in self._rests else 1
        seconds = min(_LONGEST_REST, 2.0 ** min(failures, 10) / 2) * random.uniform(0.5, 1)  # noqa: S311
        if wanted is not None:
            seconds = max(seconds, wanted.total_seconds())
        self._rests[id] = _Rest(failures, time.monotonic() + seconds)

    def _rest_of(self, id: str) -> float:
        """Return for how many seconds Shopify is to be left alone about a session."""
        rest = self._rests.get(id)
        return 0.0 if rest is None else max(0.0, rest.until - time.monotonic())

    def _is_rejected(self, session: Session) -> bool:
        """Tell whether it is known already that Shopify will not take the refresh token."""
        ends = session.refresh_token_expires
        if ends is not None and ends <= datetime.now(UTC):
            return True
        return session.id in self._rejected and self._rejected[session.id] == session.refresh_token

    def _forget(self, id: str) -> None:
        self._rests.pop(id, None)
        self._rejected.pop(id, None)

    # --- the storage ------------------------------------------------------------------------

    def _due(self, session: Session) -> bool:
        return session.is_expired(within=self._refresh_before)

    async def _read(self, id: str) -> Session | None:
        with failures_raised():  # an outage must not look as if nothing were stored
            session = await self._storage.load_session(id)
        # What has no access token is an authorization that was never finished.
        return session if session is not None and session.access_token else None

    async def _find(self, domain: str) -> list[Session]:
        with failures_raised():
            return await self._storage.find_sessions_by_shop(domain)

    async def _store(self, session: Session) -> None:
        if not await self._storage.store_session(session):
            raise SessionStorageUnavailableError(f"could not store session {session.id!r}")
        self._forget(session.id)


def _usable(session: Session) -> bool:
    return not session.is_expired(within=_MARGIN)


def _still_valid(session: Session) -> AccessToken | None:
    if not session.access_token or session.is_expired():
        return None
    return access_token_from_session(session)


def _issued(session: Session) -> datetime | None:
    """Return when a session's tokens were issued, or None if it does not show."""
    if session.refresh_token_expires is not None:
        return session.refresh_token_expires - _REFRESH_TOKEN_LIFETIME
    if session.expires is None:
        return None
    # Those of client credentials live as long as online ones.
    short = not session.is_online and not is_client_credentials(session)
    return session.expires - (_OFFLINE_LIFETIME if short else _ONLINE_LIFETIME)


def _pauses() -> Iterable[float]:
    """Give ever longer pauses in seconds, at random, so that processes do not march in step."""
    longest = 0.05
    while True:
        yield random.uniform(longest / 2, longest)  # noqa: S311
        longest = min(1.0, longest * 1.5)
