"""How stored tokens get sealed with the current key."""

import asyncio
from dataclasses import dataclass
from typing import Final

from shopify_session_storage.encryption.cipher import DecryptionError
from shopify_session_storage.encryption.sealing import is_current, opened, sealed
from shopify_session_storage.encryption.storage import EncryptedSessionStorage
from shopify_session_storage.errors import InvalidSessionError
from shopify_session_storage.pacing import Pace, step_of
from shopify_session_storage.pages import check_scan
from shopify_session_storage.session import Session

# Comparisons leave one by one, in their order: a store that comes meanwhile waits for no more.
_AT_ONCE: Final = 4


@dataclass(frozen=True)
class ReencryptReport:
    """The result of :func:`reencrypt`.

    Attributes:
        examined: How many sessions were examined.
        sealed: How many were sealed, or sealed again.
        changed: How many another process changed meanwhile, and so sealed with its own primary key.
        failed: The ids of sessions that cannot be read, decrypted or stored again. They are left as
            they are.
    """

    examined: int
    sealed: int
    changed: int
    failed: tuple[str, ...]


async def reencrypt(storage: EncryptedSessionStorage, *, batch: int = 500) -> ReencryptReport:
    """Seal every token that is stored in plain text, or with another key than the primary one.

    Walks through the storage and writes by comparison, so other processes can read and write
    meanwhile. It works in steps of *batch* sessions, at most 100, or 25 on SQLite, and rests after
    each. To rotate a key: add the new key to every process, but not as the primary one; then make
    it the primary key everywhere; then call this; then remove the old key. If it is interrupted,
    call it again.

    Raises:
        NotImplementedError: If the storage cannot be walked through.
        SessionStorageError: If the backend failed, whatever ``on_error`` says.
    """
    examined = anew = changed = 0
    failed: list[str] = []

    async def one(raw: Session) -> bool:
        plain = await opened(storage.cipher, raw, "accept")
        return await storage.wrapped.compare_and_store(await sealed(storage.cipher, plain), raw)

    check_scan(None, batch)
    pace = Pace()
    async for page in storage.wrapped.scan_sessions(batch=step_of(storage.wrapped, batch)):
        examined += len(page.sessions) + len(page.corrupt)
        failed += page.corrupt
        due = [raw for raw in page.sessions if not is_current(storage.cipher, raw)]
        outcomes: list[bool | BaseException] = []
        for first in range(0, len(due), _AT_ONCE):
            some = map(one, due[first : first + _AT_ONCE])
            outcomes += await asyncio.gather(*some, return_exceptions=True)
        for raw, outcome in zip(due, outcomes, strict=True):
            if isinstance(outcome, DecryptionError | InvalidSessionError):
                failed.append(raw.id)
            elif isinstance(outcome, BaseException):
                raise outcome
            elif outcome:
                anew += 1
            else:
                changed += 1
        if page.after is not None:
            await pace.rest()
    return ReencryptReport(examined, anew, changed, tuple(failed))
