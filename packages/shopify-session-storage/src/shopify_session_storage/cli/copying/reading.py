"""The pages of a source, in spite of moments when it fails."""

from collections.abc import AsyncIterator

from shopify_session_storage.cli.copying.patience import Patience
from shopify_session_storage.errors import SessionStorageUnavailableError
from shopify_session_storage.pages import SessionPage
from shopify_session_storage.storage import SessionStorage


async def patient_pages(source: SessionStorage, after: str | None) -> AsyncIterator[SessionPage]:
    """Walk through *source*, with smaller pages once it could not answer in time.

    Args:
        source: What is read.
        after: Behind which place to begin.

    Raises:
        SessionStorageUnavailableError: If it fails for small pages, too.
    """
    patience = Patience()
    while True:
        try:
            async for page in source.scan_sessions(after=after, batch=patience.size):
                after = page.after
                yield page
        except SessionStorageUnavailableError:
            if not await patience.ask_for_less():
                raise
        else:
            return
