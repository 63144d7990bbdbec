"""Runs the battery on the storages of the folder ``mutants``."""

from shopify_session_storage.testing import CASES, battery_of_tests

from .mutants import Backend


def factories(kind):
    """Both factories, on one backend."""
    backend = Backend()

    def failing(on_error):
        return kind(backend, on_error=on_error, broken=True)

    return lambda: kind(backend), failing


async def failed_cases(kind):
    storage_factory, failing_storage_factory = factories(kind)
    try:
        await battery_of_tests(storage_factory, failing_storage_factory=failing_storage_factory)
    except ExceptionGroup as error:
        group = error
    else:
        return []
    notes = [error.__notes__[-1] for error in group.exceptions]
    names = [note.removeprefix("case ").split(":")[0] for note in notes]
    assert str(group).startswith(f"{len(names)} of {len(CASES)} cases failed: {', '.join(names)} (")
    return names
