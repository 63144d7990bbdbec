"""A small correct storage, and copies of it with one behaviour broken each.

Each mutant names the case of the battery that has to catch it.
"""

from . import (
    bad_arguments,
    cancellation,
    conditional_deletes,
    conditional_writes,
    deleting,
    failures,
    finding,
    ids_and_shops,
    leases,
    lifecycle,
    loops_and_processes,
    many_at_once,
    outages,
    own_objects,
    purging,
    scanning,
    storing_again,
    what_comes_back,
)
from .file_storage import FileStorage
from .storages import (
    Backend,
    BreakableBackend,
    DictStorage,
    FiveMethodsStorage,
    IndexedStorage,
    OpeningStorage,
)

__all__ = [
    "CORRECT",
    "MUTANTS",
    "Backend",
    "BreakableBackend",
    "DictStorage",
    "FileStorage",
    "FiveMethodsStorage",
]

_ROOMS = (
    what_comes_back,
    ids_and_shops,
    storing_again,
    deleting,
    finding,
    own_objects,
    bad_arguments,
    many_at_once,
    cancellation,
    conditional_writes,
    conditional_deletes,
    leases,
    scanning,
    purging,
    lifecycle,
    loops_and_processes,
    failures,
    outages,
)

CORRECT = [DictStorage, IndexedStorage, OpeningStorage, FiveMethodsStorage]
MUTANTS = [
    (mutant, mutant.breaks)
    for room in _ROOMS
    for mutant in vars(room).values()
    if isinstance(mutant, type) and "breaks" in vars(mutant)
]
"""Each with the name of the case that has to catch it."""
