"""What an access token store does for many shops at a time."""

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
        """List the shops of *shops* whose offline token is due, or about to be lost.

        They are read by key, a bounded number at a time; nothing is asked of Shopify. What cannot
        be read, or names no shop, is listed as ``"failed"``, and ends nothing.

        Args:
            shops: The shops, in any number; each is looked at once. None: all that are stored.
            refresh_token_within: A refresh token is about to be lost if it expires within this
                time; so is the whole access, if nobody refreshes it before. One that has ended
                less than two days ago counts as well: the local clock may be wrong.

        Raises:
            TypeError: If *shops* is a str, or no iterable, or the time is no timedelta.
            NotImplementedError: If there are no *shops*, and the storage cannot be walked through.
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

        Run it once a day. Shops whose refresh token lasts longer are left alone. What is wrong with
        one shop is in the report, and ends nothing; a shop that is silent holds up nobody.

        Args:
            shops: The shops, in any number; each is looked at once. None: all that are stored.
            refresh_token_within: Refresh those whose refresh token expires within this time.
            per_second: How many shops are begun in a second at most.
            on_result: Is called with a :class:`ShopResult` for each shop as soon as it is done
                with, to be written down; it must not wait. The report then has the counts alone,
                so that a million shops take no memory. What it raises ends the run.

        Raises:
            TypeError: If an argument is of a wrong type, or *app* cannot refresh.
            NotImplementedError: If there are no *shops*, and the storage cannot be walked through.
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

        Irreversible: Shopify ends the old token when it issues the new one. A shop that has an
        expiring token already is passed over, so the run may be killed and started again, with
        ``report.again`` for instance. A problem with one shop is in the report, and does not stop
        the run. Several shops are worked on at a time, so one that does not answer delays nobody. A
        run that is killed loses those shops at most whose answer it has not stored yet, until their
        merchants open the app again; cancelling it loses none.

        Needs ``app.config`` with ``client_id`` and ``client_secret``, and httpx, both as in
        Shopify's package, which has no call for this.

        Args:
            shops: The shops, in any number; each is looked at once. None: all that are stored.
            per_second: How many shops are begun in a second at most.
            on_result: Is called with a :class:`ShopResult` for each shop as soon as it is done
                with, to be written down; it must not wait. The report then has the counts alone,
                so that a million shops take no memory. What it raises ends the run.

        Raises:
            TypeError: If an argument is of a wrong type, or *app* has no ``config``.
            NotImplementedError: If there are no *shops*, and the storage cannot be walked through.
            ValueError: If *per_second* is not positive.
        """
        self._endpoint.check_can_migrate()
        return await upkeep.migrate_to_expiring(
            self._which(shops), self._serving.migrate, per_second, on_result
        )

    def _which(self, shops: Iterable[str] | AsyncIterable[str] | None) -> upkeep.Shops:
        return StoredShops(self._sessions.storage.scan_sessions()) if shops is None else shops
