"""The battery as a pytest class, one test per case."""

from typing import ClassVar

import pytest

from shopify_session_storage.storage import SessionStorage
from shopify_session_storage.testing.case import Case, Need
from shopify_session_storage.testing.cases import CASES
from shopify_session_storage.testing.differences import Difference
from shopify_session_storage.testing.subject import (
    CASE_TIMEOUT,
    Breakable,
    FailingStorageFactory,
    StorageFactory,
    Subject,
)


class SessionStorageBattery:
    """Runs every case of the battery on the fixture ``storage``, which a subclass defines.

    A subclass may define three more fixtures: ``storage_factory``, a callable that makes another
    storage on the same backend; ``failing_storage_factory``, a callable that takes a value for
    ``on_error`` and makes a storage whose backend cannot be reached; and ``breakable``, a backend
    that can be made unreachable (see :class:`Breakable`). The callables may be plain or async. A
    case that needs a missing fixture is skipped, and the skip names the fixture.

    Attributes:
        eventual_seconds: How many seconds may pass until ``find_sessions_by_shop`` sees a change.
        case_timeout: How long a case may take, in seconds. A case that takes longer fails; what it
            stored is deleted all the same.
        lacks: What this storage cannot do; cases that need it are left out. ``"failing"``: it has
            no backend that could fail. ``"breakable"``: its backend cannot become unreachable.
            ``"another_loop"``: it uses a client that the user passed in and that is bound to its
            event loop. ``"processes"``: no other process sees its sessions.
            ``"conditional_writes"`` and ``"leases"``: it does these within its process.
            ``"scanning"``: it cannot be walked through.
        layout_allows: What the storage cannot hold, because its table belongs to another program.
            All cases still run.
    """

    eventual_seconds: ClassVar[float] = 0.0
    case_timeout: ClassVar[float] = CASE_TIMEOUT
    lacks: ClassVar[frozenset[Need]] = frozenset()
    layout_allows: ClassVar[tuple[Difference, ...]] = ()

    @classmethod
    def pytest_generate_tests(cls, metafunc: pytest.Metafunc) -> None:
        """Make a test of each case."""
        if "case" in metafunc.fixturenames:
            cases = [case for case in CASES if cls.lacks.isdisjoint(case.needs)]
            metafunc.parametrize("case", [pytest.param(case, id=case.name) for case in cases])

    @pytest.fixture
    def storage_factory(self) -> StorageFactory | None:
        """Make another storage on the same backend."""
        return None

    @pytest.fixture
    def failing_storage_factory(self) -> FailingStorageFactory | None:
        """Make a storage whose backend cannot be reached."""
        return None

    @pytest.fixture
    def breakable(self) -> Breakable | None:
        """Make a backend that can be made unreachable."""
        return None

    @pytest.mark.asyncio
    async def test_contract(
        self,
        case: Case,
        storage: SessionStorage,
        storage_factory: StorageFactory | None,
        failing_storage_factory: FailingStorageFactory | None,
        breakable: Breakable | None,
    ) -> None:
        """Every storage keeps the promise of the case."""
        subject = Subject(
            storage,
            storage_factory=storage_factory,
            failing_storage_factory=failing_storage_factory,
            breakable=breakable,
            eventual_seconds=self.eventual_seconds,
            case_timeout=self.case_timeout,
            layout_allows=self.layout_allows,
        )
        missing = subject.missing(case)
        if missing is not None:
            pytest.skip(f"{case.name} could not run: {missing.why}")
        await subject.run(case)
