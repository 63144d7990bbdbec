"""Whether sessions are found by their shop, where that is a matter of lists or of an index."""

import asyncio
from typing import Final

from shopify_session_storage.cli.examining.findings import Finding, Tally
from shopify_session_storage.errors import CorruptSessionError
from shopify_session_storage.pages import SessionPage
from shopify_session_storage.sql.tables import SqlTables
from shopify_session_storage.storage import SessionStorage

# Of each page, so that it takes a part of the time of the walk.
_SAMPLE: Final = 25


class Lists:
    """Finds some of the sessions by their shop.

    Args:
        storage: Where they are.
    """

    def __init__(self, storage: SessionStorage) -> None:
        self._storage = storage
        self._looked = 0
        self._unlisted = Tally()

    async def look(self, page: SessionPage) -> None:
        """Look for some of the sessions of a page."""
        if isinstance(self._storage, SqlTables):
            return  # a database that keeps the list itself, in its index
        some = page.sessions[:: max(1, len(page.sessions) // _SAMPLE)]
        finds = [self._storage.find_sessions_by_shop(session.shop) for session in some]
        outcomes = await asyncio.gather(*finds, return_exceptions=True)
        for session, found in zip(some, outcomes, strict=True):
            if isinstance(found, CorruptSessionError):
                continue  # another session of the shop, which the walk comes to as well
            if isinstance(found, BaseException):
                raise found
            self._looked += 1
            if session.id not in {one.id for one in found}:
                self._unlisted.add(session.id)

    def findings(self) -> list[Finding]:
        """Return what is to be said."""
        if not self._looked:
            return []
        tally = self._unlisted
        if not tally.number:
            text = f"{self._looked:,} sessions were looked up by their shop, and found"
            return [Finding("lists", "ok", text)]
        return [
            Finding(
                "lists",
                "warn",
                f"{tally.number:,} of {self._looked:,} sessions are not found by their shop{tally}",
                "store them again; two official adapters that write at once lose entries",
            )
        ]
