"""The battery of tests that every session storage passes, for authors of adapters.

With pytest (``pip install shopify-session-storage[testing]``), one test per case::

    class TestMyAdapter(SessionStorageBattery):
        @pytest_asyncio.fixture
        async def storage(self):
            async with MySessionStorage(url) as storage:
                yield storage

With any other runner::

    await battery_of_tests(lambda: MySessionStorage(url))

A storage can be given more, such as ``failing_storage_factory`` and ``breakable``, so that more
cases can run: see the guide "Write an adapter".

For tests of apps there is :class:`FakeShopify`: a local server that does what Shopify's token
endpoint does.
"""

from typing import TYPE_CHECKING, Any

from shopify_session_storage.testing.battery import BatteryReport, battery_of_tests
from shopify_session_storage.testing.case import Case, Need
from shopify_session_storage.testing.cases import CASES
from shopify_session_storage.testing.differences import Difference
from shopify_session_storage.testing.shopify import FakeShopify, Fault
from shopify_session_storage.testing.subject import Breakable, Subject

if TYPE_CHECKING:
    from shopify_session_storage.testing.pytest_battery import SessionStorageBattery

__all__ = [
    "CASES",
    "BatteryReport",
    "Breakable",
    "Case",
    "Difference",
    "FakeShopify",
    "Fault",
    "Need",
    "SessionStorageBattery",
    "Subject",
    "battery_of_tests",
]


def __getattr__(name: str) -> Any:
    if name == "SessionStorageBattery":  # the plain function does not need pytest
        from shopify_session_storage.testing.pytest_battery import SessionStorageBattery

        return SessionStorageBattery
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
