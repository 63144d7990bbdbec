"""What an access token store does for many shops at once."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from datetime import timedelta

from shopify_session_storage.access_tokens import upkeep
from shopify_session_storage.access_tokens.calls import Endpoint
from shopify_session_storage.access_tokens.frames import hides_locals
from shopify_session_storage.access_tokens.serving import Serving
from shopify_session_storage.access_tokens.sessions import Sessions
from shopify_session_storage.access_tokens.stored_shops import StoredShops


class AllShops:
    """The part of :class:`AccessTokenStore` that is for jobs over all shops."""

    _endpoint: Endpoint
    _sessions: Sessions
    _serving: Serving

    def iter_refresh_due(
        self,
        shops: Iterable[str] | AsyncIterable[str] | None = None,
        *,
        refresh_token_within: timedelta = timedelta(days=14),
    ) -> AsyncIterator[upkeep.RefreshDue]:
        """List the shops whose offline token is due for a refresh, or about to be lost.

        Their sessions are read by key, a few at a time, and no request goes to Shopify. A shop
        whose session cannot be read, or a name that is not a shop's, is listed as ``"failed"``, and
        the listing goes on.

        Args:
            shops: The shops, any number; each is examined once. None: all that are stored.
            refresh_token_within: List refresh tokens that expire within this time: if nobody uses
                them before, the app loses access to the shop. Those that expired less than two days
                ago are listed, too, since the local clock may be wrong.

        Raises:
            TypeError: If *shops* is a str or not iterable, or the time is not a timedelta.
            NotImplementedError: If *shops* is None and the storage cannot be walked through.
            ValueError: If the time is negative.
        """
        return upkeep.iter_refresh_due(
            self._sessions.read,
            self._which(shops),
            due=self._sessions.due,
            within=refresh_token_within,
        )

    @hides_locals
    async def keep_warm(
        self,
        shops: Iterable[str] | AsyncIterable[str] | None = None,
        *,
        refresh_token_within: timedelta = timedelta(days=14),
        per_second: float = 5.0,
        on_result: upkeep.OnResult | None = None,
    ) -> upkeep.Report:
        """Refresh the tokens of idle shops before their refresh tokens expire.

        Run it once a day. Shops whose refresh token lasts longer are left alone. If it is not
        stored when a refresh token expires, it is refreshed as soon as the access token is due. A
        problem with one shop is in the report, and does not stop the run. A shop that does not
        answer delays no other.

        Args:
            shops: The shops, any number; each is examined once. None: all that are stored.
            refresh_token_within: Refresh the shops whose refresh token expires within this time.
            per_second: How many shops to start in a second, at most.
            on_result: Is called with a :class:`ShopResult` for each shop as soon as that is done,
                to write it down for instance; it must not block. The report then has only the
                counts, so a million shops take no memory. If it raises, the run ends.

        Raises:
            TypeError: If an argument is of a wrong type, or *app* cannot refresh.
            NotImplementedError: If *shops* is None and the storage cannot be walked through.
            ValueError: If *per_second* is not positive.
        """
        self._endpoint.check_can_refresh()
        return await upkeep.keep_warm(
            self.iter_refresh_due(shops, refresh_token_within=refresh_token_within),
            self._serving.refresh_idle,
            per_second,
            on_result,
        )

    @hides_locals
    async def migrate_to_expiring(
        self,
        shops: Iterable[str] | AsyncIterable[str] | None = None,
        *,
        per_second: float = 2.0,
        on_result: upkeep.OnResult | None = None,
    ) -> upkeep.Report:
        """Replace offline tokens that never expire by expiring ones, without a merchant.

        This cannot be undone: Shopify ends the old token when it issues the new one. A shop that
        already has an expiring token is skipped, so the run may be killed and started again, with
        ``report.again`` for instance. A problem with one shop is in the report, and does not stop
        the run. A shop that does not answer delays no other. A run that is killed loses at most the
        shops whose answer it has not stored yet: their merchants must open the app again. A run
        that is cancelled loses none.

        It needs httpx, and ``app.config`` with ``client_id`` and ``client_secret``, as Shopify's
        package has them; that package has no call for this.

        Args:
            shops: The shops, any number; each is examined once. None: all that are stored.
            per_second: How many shops to start in a second, at most.
            on_result: Is called with a :class:`ShopResult` for each shop as soon as that is done,
                to write it down for instance; it must not block. The report then has only the
                counts, so a million shops take no memory. If it raises, the run ends.

        Raises:
            TypeError: If an argument is of a wrong type, or *app* has no ``config``.
            NotImplementedError: If *shops* is None and the storage cannot be walked through.
            ValueError: If *per_second* is not positive.
        """
        self._endpoint.check_can_migrate()
        return await upkeep.migrate_to_expiring(
            self._which(shops), self._serving.migrate, per_second, on_result
        )

    def _which(self, shops: Iterable[str] | AsyncIterable[str] | None) -> upkeep.Shops:
        return StoredShops(self._sessions.storage.scan_sessions()) if shops is None else shops
