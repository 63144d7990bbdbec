"""Runs the battery on the storages of the folder ``mutants``."""

from unittest.mock import patch

from shopify_session_storage.testing import CASES, battery, battery_of_tests

from .mutants import BreakableBackend, FileStorage


def lacks(kind):
    """What the battery is told that a storage lacks: no other process sees what is in a dict."""
    return set() if issubclass(kind, FileStorage) else {"processes"}


def arguments(kind):
    """All that the battery can be given, on one backend."""
    backend = kind.make_backend()
    return {
        "storage_factory": lambda: kind(backend),
        "failing_storage_factory": lambda on_error: kind(backend, on_error=on_error, broken=True),
        "breakable": BreakableBackend(kind),
        "lacks": lacks(kind),
    }


async def failed_cases(kind, *, only=None):
    """Return the names of the cases that fail, of all or of one."""
    cases = [case for case in CASES if only in (None, case.name)]
    with patch.object(battery, "CASES", cases):
        try:
            await battery_of_tests(**arguments(kind))
        except ExceptionGroup as error:
            group = error
        else:
            return []
    notes = [error.__notes__[-1] for error in group.exceptions]
    names = [note.removeprefix("case ").split(":")[0] for note in notes]
    assert str(group).startswith(f"{len(names)} of {len(cases)} cases failed: {', '.join(names)} (")
    return names
