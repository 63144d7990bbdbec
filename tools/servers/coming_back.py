"""What hypothesis makes comes back from a server as it was stored."""

from hypothesis import HealthCheck, settings
from shopify_session_storage import Session, SessionStorage

some_examples = settings(
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
"""Fewer than usual, and each may take its time."""


async def comes_back(storage: SessionStorage, session: Session) -> None:
    """Store *session*, and see that a load and a find give it.

    Raises:
        AssertionError: If they do not.
    """
    await storage.store_session(session)
    assert session.equals(await storage.load_session(session.id))
    found = await storage.find_sessions_by_shop(session.shop)
    assert [session.id] == [one.id for one in found]
