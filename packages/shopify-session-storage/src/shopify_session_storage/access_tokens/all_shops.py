"""What an access token store does for many shops at a time."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from datetime import timedelta

from shopify_session_storage.access_tokens import upkeep
from shopify_session_storage.access_tokens.frames import hides_locals
from shopify_session_storage.access_tokens.serving import Serving
from shopify_session_storage.access_tokens.sessions import Sessions


class AllShops:
    """The part of :class:`AccessTokenStore` that is for jobs over all shops."""

    _sessions: Sessions
    _serving: Serving

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

    @hides_locals
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
            self._serving.refresh_idle,
            per_second,
        )

    @hides_locals
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
        return await upkeep.migrate_to_expiring(shops, self._serving.migrate, per_second)
