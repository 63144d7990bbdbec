"""All shops that a storage has an offline session of, for work on all of them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from shopify_session_storage.ids import offline_session_id
from shopify_session_storage.pages import SessionPage

_OFFLINE = offline_session_id("")


@dataclass(frozen=True)
class UnreadableShop:
    """In place of a shop: one whose offline session cannot be read."""

    id: str

    @property
    def shop(self) -> str:
        """The shop's domain, as the id has it."""
        return self.id.removeprefix(_OFFLINE)


class StoredShops:
    """The shops that a storage has an offline session of, as often as *pages* have it.

    Args:
        pages: All sessions.
    """

    def __init__(self, pages: AsyncIterator[SessionPage]) -> None:
        self._pages = pages

    async def __aiter__(self) -> AsyncIterator[str | UnreadableShop]:
        async for page in self._pages:
            for session in page.sessions:
                if session.id == offline_session_id(session.shop):
                    yield session.shop
            for id in page.corrupt:
                if id.startswith(_OFFLINE):
                    yield UnreadableShop(id)
