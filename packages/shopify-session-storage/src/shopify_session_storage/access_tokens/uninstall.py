"""The end of everything that is stored of a shop."""

import logging
from datetime import datetime
from typing import Final

from shopify_session_storage.access_tokens.asking import Asking
from shopify_session_storage.access_tokens.lease import Leases
from shopify_session_storage.access_tokens.sessions import Sessions, issued
from shopify_session_storage.errors import SessionStorageUnavailableError
from shopify_session_storage.ids import offline_session_id

_logger: Final = logging.getLogger("shopify_session_storage.access_tokens")


async def uninstall(
    sessions: Sessions,
    leases: Leases,
    asking: Asking,
    domain: str,
    installed_before: datetime | None,
) -> None:
    """See :meth:`AccessTokenStore.delete_shop`."""
    lease = leases.of(offline_session_id(domain))
    held = await lease.acquire()
    if not held:
        await _delete(sessions, asking, domain, installed_before)  # at once what can be
        try:
            await lease.wait(leases.ttl.total_seconds())
        except TimeoutError:
            _logger.warning("%s: deleted without the lease", domain)
    try:
        await _delete(sessions, asking, domain, installed_before)
    finally:
        await lease.release()


async def _delete(
    sessions: Sessions, asking: Asking, domain: str, installed_before: datetime | None
) -> None:
    found = {session.id: session for session in await sessions.find(domain)}
    # An index may lag behind; the most important session is read by its key.
    offline = await sessions.read(offline_session_id(domain))
    if offline is not None:
        found[offline.id] = offline
    if installed_before is not None:
        ages = {id: issued(session) for id, session in found.items()}
        again = any(age and age >= installed_before for age in ages.values())
        found = {
            id: session
            for id, session in found.items()
            if (not again if (age := ages[id]) is None else age < installed_before)
        }
    for id in found:
        asking.forget(id)
    if not await sessions.storage.delete_sessions(list(found)):
        raise SessionStorageUnavailableError(f"could not delete the sessions of {domain!r}")
