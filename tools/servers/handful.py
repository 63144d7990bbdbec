"""Some of the battery, for a storage that differs from a tested one only in its connection."""

import pytest
from shopify_session_storage.testing import CASES, SessionStorageBattery
from shopify_session_storage.testing.case import Case

# By the file that a case is in: what values become on their way there and back.
_WHOLE = "what_comes_back"


def handful() -> list[Case]:
    """Return what shows that a connection does all that a storage needs of it.

    That is the first case of each file, and all of how values come back.
    """
    first = {_file(case): case for case in reversed(CASES)}
    return [case for case in CASES if _file(case) == _WHOLE or first[_file(case)] is case]


def _file(case: Case) -> str:
    return case.run.__module__.rpartition(".")[2]


class Handful(SessionStorageBattery):
    """Comes before the class that has the whole battery; ``--whole-battery`` runs it here, too."""

    @classmethod
    def pytest_generate_tests(cls, metafunc: pytest.Metafunc) -> None:
        """Make a test of each of the few cases."""
        if metafunc.config.getoption("--whole-battery"):
            super().pytest_generate_tests(metafunc)
        elif "case" in metafunc.fixturenames:
            cases = [case for case in handful() if cls.lacks.isdisjoint(case.needs)]
            metafunc.parametrize("case", cases, ids=lambda case: case.name)
