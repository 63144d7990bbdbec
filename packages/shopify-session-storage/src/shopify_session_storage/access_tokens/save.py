"""A token that the app got itself: stored, unless the shop uninstalls at the same moment."""

import logging
from typing import Final

from shopify_session_storage.access_tokens.asking import Asking
from shopify_session_storage.access_tokens.errors import ReauthorizationRequired
from shopify_session_storage.access_tokens.fence import Fence, Uninstalled, UninstalledBefore
from shopify_session_storage.access_tokens.sessions import Sessions
from shopify_session_storage.errors import SessionStorageError
from shopify_session_storage.session import Session

_logger: Final = logging.getLogger("shopify_session_storage.access_tokens")


async def save(sessions: Sessions, fence: Fence, asking: Asking, session: Session) -> None:
    """Store *session*, which Shopify has just issued, whatever is there.

    Raises:
        ReauthorizationRequired: If the shop uninstalls the app meanwhile; nothing is stored.
    """
    try:
        era = await fence.enter(session.shop)
    except SessionStorageError as error:
        era = None  # better than to lose what Shopify has issued
        _logger.warning("%s: saving an access token without leases: %s", session.shop, error)
    await sessions.store(session)
    asking.forget(session.id)
    try:
        if era is not None:
            await era.check()
    except UninstalledBefore:
        return  # issued a moment ago, so it is of the newer install
    except Uninstalled:
        await sessions.storage.compare_and_delete(session)
    else:
        return
    raise ReauthorizationRequired("the shop has uninstalled the app meanwhile", shop=session.shop)
