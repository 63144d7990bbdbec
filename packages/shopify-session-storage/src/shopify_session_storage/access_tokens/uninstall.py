"""The end of everything that is stored of a shop, within the seconds that a webhook has.

1. End the present era of the shop (:mod:`.fence`), so that exchanges and saves under way, in any
   process, store nothing or remove it again. Nobody is waited for, and Shopify is not asked.
2. Read the shop's sessions, the offline one by its key.
3. Delete by comparison what is to go. What has changed since it was read is read and judged again:
   it may be the new pair of the old install, or a newer install, which a late webhook must spare.
"""

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from shopify_session_storage.access_tokens.asking import Asking
from shopify_session_storage.access_tokens.fence import Fence
from shopify_session_storage.access_tokens.sessions import Sessions, issued
from shopify_session_storage.errors import (
    CorruptSessionError,
    InvalidSessionError,
    MigrationError,
    SessionStorageError,
    SessionStorageUnavailableError,
)
from shopify_session_storage.ids import offline_session_id
from shopify_session_storage.session import Session

_logger: Final = logging.getLogger("shopify_session_storage.access_tokens")

_ROUNDS: Final = 20


async def uninstall(
    sessions: Sessions,
    fence: Fence,
    asking: Asking,
    domain: str,
    installed_before: datetime | None,
) -> None:
    """See :meth:`AccessTokenStore.delete_shop`."""
    failure: SessionStorageError | None = None
    try:
        await fence.end(domain, late=installed_before is not None)
    except MigrationError as error:
        # Without leases there are no exchanges either.
        _logger.warning("%s: uninstalling without leases: %s", domain, error)
    except SessionStorageError as error:
        failure = error  # delete all the same; but the webhook has to come again
    for _ in range(_ROUNDS):
        if await _delete(sessions, asking, domain, installed_before):
            break
    else:
        raise SessionStorageUnavailableError(f"the sessions of {domain!r} keep changing")
    if failure is not None:
        raise failure


async def _delete(
    sessions: Sessions, asking: Asking, domain: str, installed_before: datetime | None
) -> bool:
    """Delete what is to go, and tell whether that was all."""
    id = offline_session_id(domain)
    # An index may lag behind; the most important session is read by its key.
    listed, offline = await asyncio.gather(
        sessions.find(domain), sessions.load(id), return_exceptions=True
    )
    for read in (listed, offline):
        if isinstance(read, BaseException) and not isinstance(read, CorruptSessionError):
            raise read
    found = {} if isinstance(listed, BaseException) else {each.id: each for each in listed}
    if isinstance(offline, Session):
        found[id] = offline
    old = _older(found.values(), installed_before)
    for session in old:
        asking.forget(session.id)
    results = await asyncio.gather(
        *(_delete_one(sessions, session) for session in old), return_exceptions=True
    )
    for result in results:
        if isinstance(result, BaseException):
            raise result
    spared = installed_before is not None and len(old) < len(found)
    if isinstance(offline, CorruptSessionError) and not spared:
        # Whatever it was, it opens nothing; and it may be what kept the others from being read.
        if not await sessions.storage.delete_session(id):
            raise SessionStorageUnavailableError(f"could not delete session {id!r}")
        return False
    if isinstance(listed, CorruptSessionError):
        raise listed
    return all(results)


async def _delete_one(sessions: Sessions, session: Session) -> bool:
    try:
        return await sessions.storage.compare_and_delete(session)
    except InvalidSessionError:
        # Another program has stored it, by its own rules, so none of ours can renew it meanwhile.
        return await sessions.storage.delete_session(session.id)


def _older(found: Iterable[Session], moment: datetime | None) -> list[Session]:
    """Return those of *found* that belong to an install before *moment*; all if there is none."""
    if moment is None:
        return list(found)
    ages = [(session, issued(session)) for session in found]
    again = any(age is not None and age >= moment for _, age in ages)
    return [session for session, age in ages if (not again if age is None else age < moment)]
