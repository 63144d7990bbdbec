"""Runs the battery on the storages of the folder ``mutants``."""

from shopify_session_storage.testing import CASES, battery_of_tests

from .mutants import Backend, BreakableBackend

# What the storages keep in a dict no other process sees.
LACKS = frozenset({"processes"})


def arguments(kind):
    """All that the battery can be given, on one backend."""
    backend = Backend()
    return {
        "storage_factory": lambda: kind(backend),
        "failing_storage_factory": lambda on_error: kind(backend, on_error=on_error, broken=True),
        "breakable": BreakableBackend(kind),
        "lacks": LACKS,
    }


async def failed_cases(kind, **options):
    try:
        await battery_of_tests(**arguments(kind) | options)
    except ExceptionGroup as error:
        group = error
    else:
        return []
    notes = [error.__notes__[-1] for error in group.exceptions]
    names = [note.removeprefix("case ").split(":")[0] for note in notes]
    assert str(group).startswith(f"{len(names)} of {len(CASES)} cases failed: {', '.join(names)} (")
    return names
