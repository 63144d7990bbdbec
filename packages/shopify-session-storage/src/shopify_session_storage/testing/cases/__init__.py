"""The cases of the battery: every promise of the contract, one file for each kind of promise.

A case is a plain async function that gets a :class:`Subject` and raises an AssertionError which
says how the promise is broken.
"""

from shopify_session_storage.testing.case import Case
from shopify_session_storage.testing.cases import (
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

CASES: list[Case] = [
    value for room in _ROOMS for value in vars(room).values() if isinstance(value, Case)
]
"""All cases, in order."""
