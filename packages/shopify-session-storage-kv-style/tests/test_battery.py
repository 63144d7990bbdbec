"""KVSessionStorage keeps every promise of the contract, on each kind of namespace."""

from datetime import timedelta

import pytest
import pytest_asyncio
from servers import kv
from servers.breaking import breakable_server
from servers.discovery import free_port
from shopify_session_storage import open_session_storage
from shopify_session_storage.testing import CASES, SessionStorageBattery

from .conftest import in_pyodide


class TestCloudflare(SessionStorageBattery):
    lacks = frozenset({"conditional_writes", "leases"})

    @pytest.fixture
    def storage_factory(self, kv_url):
        late = timedelta(seconds=60)  # a busy machine's
        return lambda: open_session_storage(kv_url, timeout=late)

    @pytest_asyncio.fixture
    async def storage(self, storage_factory):
        async with storage_factory() as storage:
            yield storage

    @pytest.fixture
    def failing_storage_factory(self, kv_url):
        return lambda on_error: open_session_storage(kv.url_of(free_port()), on_error=on_error)

    @pytest_asyncio.fixture
    async def breakable(self, kv_url):
        def make(url, on_error):
            return open_session_storage(url, on_error=on_error)

        async with breakable_server(kv_url, make) as server:
            yield server


WORKER = """
    from shopify_session_storage.testing import CASES, Subject
    from shopify_session_storage_kv_style import KVSessionStorage, WorkersKVNamespace

    namespace = WorkersKVNamespace(binding)

    def storage():
        return KVSessionStorage(namespace)

    for case in CASES:
        if case.name in NAMES:
            await Subject(storage(), storage_factory=storage, owned=True).run(case)
            print(case.name)
"""


def test_binding_of_a_worker_passes_the_battery_in_pyodide(kv_url):
    # In a Worker there is one event loop, and one invocation may do 1000 operations.
    too_much = {
        "delete_takes_ten_thousand_ids", "find_has_no_cap", "callers_time_limit_ends_a_call",
    }  # fmt: skip
    lacks = {
        "another_loop", "failing", "breakable", "processes", "conditional_writes", "leases",
    }  # fmt: skip
    names = {
        case.name for case in CASES if case.name not in too_much and lacks.isdisjoint(case.needs)
    }
    assert set(in_pyodide(WORKER.replace("NAMES", repr(names))).split()) == names


def test_binding_of_a_worker_works_in_pyodide_where_null_is_none(kv_url):
    names = {"delete_removes_the_session", "find_returns_all_of_the_shop", "unknown_id_is_none"}
    output = in_pyodide(WORKER.replace("NAMES", repr(names)), "pyodide-with-null-as-none")
    assert set(output.split()) == names
