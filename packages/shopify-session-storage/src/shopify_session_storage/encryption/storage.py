"""A storage around another one that never sees a token in plain text."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

from shopify_session_storage.caching import fresh_reads
from shopify_session_storage.checks import check_comparison, check_expected, check_session
from shopify_session_storage.encryption.cipher import Cipher, DecryptionError
from shopify_session_storage.encryption.sealing import Plaintext, opened, sealed
from shopify_session_storage.errors import SessionStorageUnavailableError
from shopify_session_storage.failures import failures_raised
from shopify_session_storage.pages import SessionPage
from shopify_session_storage.session import Session
from shopify_session_storage.storage import SessionStorage
from shopify_session_storage.stored import has_same_tokens
from shopify_session_storage.wrapping import WrappedSessionStorage

# Each further try means that somebody has sealed the same tokens anew since the last one. In
# seconds, how long it waits at most.
_PAUSES: Final = (*(0.001 * 2**n for n in range(6)), *[0.05] * 60)


class EncryptedSessionStorage(WrappedSessionStorage):
    """Keeps the tokens of sessions encrypted in another storage.

    Access and refresh tokens are sealed before they are stored. Each is bound to its session's id,
    its shop and its field, so a token that is moved to another row does not open. All else is
    stored as it is. Comparisons stay exact while keys are rotated; each takes one more load.

    Args:
        storage: Where the sessions are kept. Its size limits apply to sealed tokens, which are a
            third longer than the token, plus 40 characters.
        cipher: A :class:`Keyring`, or a :class:`Cipher` of your own.
        plaintext: ``"accept"`` tokens that are stored in plain text, and seal them when they are
            stored again; or ``"refuse"`` them.

    Raises:
        TypeError: If *storage* is not a SessionStorage, or *cipher* not a Cipher.
        ValueError: If *plaintext* is something else.
        DecryptionError: From every method that reads, whatever ``on_error`` says, if a token cannot
            be opened.
    """

    def __init__(
        self, storage: SessionStorage, cipher: Cipher, *, plaintext: Plaintext = "accept"
    ) -> None:
        super().__init__(storage)
        if not callable(getattr(cipher, "seal", None)) or not callable(
            getattr(cipher, "open", None)
        ):
            raise TypeError(f"cipher must be a Keyring or a Cipher, not {type(cipher).__name__}")
        if plaintext not in ("accept", "refuse"):
            raise ValueError(f'plaintext must be "accept" or "refuse", not {plaintext!r}')
        self.cipher = cipher
        self._plaintext: Plaintext = plaintext

    async def store_session(self, session: Session) -> bool:
        check_session(session)
        return await self.wrapped.store_session(await sealed(self.cipher, session))

    async def load_session(self, id: str) -> Session | None:
        session = await self.wrapped.load_session(id)
        return None if session is None else await self._opened(session)

    async def find_sessions_by_shop(self, shop: str) -> list[Session]:
        found = await self.wrapped.find_sessions_by_shop(shop)
        return [await self._opened(session) for session in found]

    def scan_sessions(
        self, *, after: str | None = None, batch: int = 500
    ) -> AsyncIterator[SessionPage]:
        return self._opened_pages(self.wrapped.scan_sessions(after=after, batch=batch))

    async def compare_and_store(self, session: Session, expected: Session | None) -> bool:
        check_comparison(session, expected)
        new = await sealed(self.cipher, session)
        if expected is None:
            return await self.wrapped.compare_and_store(new, None)
        for pause in _PAUSES:
            found = await self._still_there(expected)
            if found is None:
                return False
            if await self.wrapped.compare_and_store(new, found):
                return True
            await asyncio.sleep(random.uniform(0, pause))  # noqa: S311
        raise _too_often(session)

    async def compare_and_delete(self, expected: Session) -> bool:
        check_expected(expected)
        for pause in _PAUSES:
            found = await self._raw(expected.id)
            if found is None:
                return True
            if not has_same_tokens(await self._opened(found), expected):
                return False
            if await self.wrapped.compare_and_delete(found):
                return True
            await asyncio.sleep(random.uniform(0, pause))  # noqa: S311
        raise _too_often(expected)

    async def check_fits(self, session: Session) -> None:
        check_session(session)
        await self.wrapped.check_fits(await sealed(self.cipher, session))

    async def _opened(self, session: Session) -> Session:
        return await opened(self.cipher, session, self._plaintext)

    async def _opened_pages(self, pages: AsyncIterator[SessionPage]) -> AsyncIterator[SessionPage]:
        async for page in pages:
            sessions, corrupt = [], list(page.corrupt)
            for session in page.sessions:
                try:
                    sessions.append(await self._opened(session))
                except DecryptionError:
                    corrupt.append(session.id)
            yield replace(page, sessions=sessions, corrupt=corrupt)

    async def _raw(self, id: str) -> Session | None:
        # An outage must not look as if nothing were stored.
        with failures_raised(), fresh_reads():
            return await self.wrapped.load_session(id)

    async def _still_there(self, expected: Session) -> Session | None:
        """Return what is stored, as it is, if its tokens are those of *expected*."""
        found = await self._raw(expected.id)
        if found is None or not has_same_tokens(await self._opened(found), expected):
            return None
        return found


def _too_often(session: Session) -> SessionStorageUnavailableError:
    return SessionStorageUnavailableError(
        f"session {session.id!r} was encrypted anew {len(_PAUSES)} times during the comparison"
    )
