"""The pages of a source, in spite of moments when it fails."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from shopify_session_storage.errors import SessionStorageUnavailableError
from shopify_session_storage.pages import SessionPage
from shopify_session_storage.storage import SessionStorage

_PAGE: Final = 500
_LEAST_PAGE: Final = 8
_PAUSE_SECONDS: Final = 1


async def patient_pages(source: SessionStorage, after: str | None) -> AsyncIterator[SessionPage]:
    """Walk through *source*, with smaller pages once it could not answer in time.

    Args:
        source: What is read.
        after: Behind which place to begin.

    Raises:
        SessionStorageUnavailableError: If it fails for small pages, too.
    """
    size = _PAGE
    while True:
        try:
            async for page in source.scan_sessions(after=after, batch=size):
                after = page.after
                yield page
        except SessionStorageUnavailableError:
            # A small server, or one that fails over, and no reason to give up a long copy.
            if size < _LEAST_PAGE:
                raise
            size //= 4
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            return
