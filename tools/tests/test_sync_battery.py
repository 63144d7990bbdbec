"""The battery through the facade: each call in a thread, on every adapter.

By default, on servers, what threads, processes and event loops could spoil;
``python3 tools/test.py sync_battery -- --whole-battery`` runs every case on every adapter.
"""

import asyncio
import inspect
import time
from datetime import timedelta

import pytest
from servers.places import NETWORKED, place
from shopify_session_storage import SessionStorage, open_session_storage
from shopify_session_storage.sync import SyncSessionStorage
from shopify_session_storage.testing import CASES, Subject
from shopify_session_storage_memory import MemorySessionStorage

# What needs no further fixture here; test_sync.py in core has failures, the adapters have outages.
LACKS = {"failing", "breakable"}
# By the file that a case is in.
QUICK = {"many_at_once", "loops_and_processes", "lifecycle", "conditional_writes", "leases"}
SLOW = {"dynamodb": {"loops_and_processes"}, "kv": {"loops_and_processes"}}  # as servers
# A thread whose caller has given up is not ended, and may begin late: nobody can cancel it.
UNENDING = {"cancelled_stores_do_not_come_late"}
# These take long on a server and have nothing to do with threads.
LONG = {"delete_takes_ten_thousand_ids", "find_has_no_cap"}

METHODS = [
    name
    for name, member in inspect.getmembers(SessionStorage, inspect.iscoroutinefunction)
    if not name.startswith("_")
]


class InThreads(SessionStorage):
    """The facade as a storage again."""

    def __init__(self, facade):
        self.facade = facade
        self.conditional_writes = facade.conditional_writes
        self.leases = facade.leases


for name in METHODS:

    async def call(self, *args, _name=name, **options):
        return await asyncio.to_thread(getattr(self.facade, _name), *args, **options)

    setattr(InThreads, name, call)
InThreads.__abstractmethods__ = frozenset()


def factory(request, backend, tmp_path):
    """Return what makes storages on one and the same backend."""
    if backend == "memory":
        memory = MemorySessionStorage()
        return lambda: InThreads(SyncSessionStorage(memory))
    url = "" if backend == "sqlite" else request.getfixturevalue(f"{backend}_url")
    url, options = place(backend, url, tmp_path)
    options |= {"on_error": "log", "timeout": timedelta(seconds=30)}
    return lambda: InThreads(SyncSessionStorage(open_session_storage(url, **options)))


def cases(backend, whole):
    lacks = LACKS | ({"processes"} if backend == "memory" else set())
    for case in CASES:
        if case.name in UNENDING:
            continue
        room = case.run.__module__.rpartition(".")[2]
        quick = room in SLOW.get(backend, QUICK) and case.name not in LONG
        if lacks.isdisjoint(case.needs) and (whole or backend in ("memory", "sqlite") or quick):
            yield case


@pytest.mark.parametrize("backend", ["memory", "sqlite", *NETWORKED])
def test_the_battery_passes_through_the_facade(request, backend, tmp_path):
    further = factory(request, backend, tmp_path)
    run = 0
    for case in cases(backend, request.config.getoption("--whole-battery")):
        subject = Subject(further(), storage_factory=further, owned=True)
        if subject.missing(case) is None:
            began = time.monotonic()
            asyncio.run(subject.run(case))
            run += 1
            print(f"{time.monotonic() - began:6.2f} s  {case.name}")
    assert run >= {"memory": 50, "sqlite": 50, "dynamodb": 4, "kv": 4}.get(backend, 25)
