"""Namespaces: set, changed, of one's own, of a Worker."""

import asyncio
import subprocess
import sys
import textwrap
from typing import Any

import pytest
from servers import kv
from shopify_session_storage import SessionStorageUnavailableError
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_kv_style import BulkKVNamespace, KVNamespaceError, KVSessionStorage

from .conftest import Plain, in_pyodide, namespace_of


@pytest.mark.asyncio
async def test_storage_without_a_namespace_says_so():
    storage = KVSessionStorage()
    for call in (
        lambda: storage.load_session("id"),
        lambda: storage.store_session(offline_session("s")),
        lambda: storage.find_sessions_by_shop("s"),
        lambda: storage.delete_sessions(["id"]),
        storage.ready,
    ):
        with pytest.raises(RuntimeError, match=r"call set_namespace\(\) first"):
            await call()
    assert await storage.is_ready() is False
    with pytest.raises(TypeError, match="must be a str"):
        await storage.load_session(None)


@pytest.mark.asyncio
async def test_namespace_can_be_changed_while_calls_are_under_way(kv_url, raw, shop):
    async with namespace_of(kv_url, kv.NAMESPACES[1]) as other:
        storage = KVSessionStorage(on_error="raise")
        storage.set_namespace(raw)
        await storage.ready()
        before = [online_session(shop, user) for user in range(20)]
        stores = [asyncio.ensure_future(storage.store_session(one)) for one in before]
        for _ in range(5):  # the first one sets out
            await asyncio.sleep(0)
        storage.set_namespace(other)
        assert all(await asyncio.gather(*stores))
        after = online_session(shop, 100)
        await storage.store_session(after)
        found = [
            {one.id for one in await KVSessionStorage(each).find_sessions_by_shop(shop)}
            for each in (raw, other)
        ]
        assert found[0] | found[1] == {one.id for one in (*before, after)}
        assert not found[0] & found[1]
        assert after.id in found[1]
        assert before[0].id in found[0]


class Failing:
    def __init__(self, error: Exception) -> None:
        self.error = error

    async def get(self, key: str) -> str | None:
        raise self.error

    async def put(self, key: str, value: str) -> None: ...

    async def delete(self, key: str) -> None: ...


@pytest.mark.asyncio
async def test_failures_of_a_namespace_of_ones_own_follow_the_policy(caplog):
    for error, shown in (
        (LookupError("shpat_secret"), "load session 'id': KVNamespaceError: LookupError"),
        (ConnectionResetError("reset"), "load session 'id': ConnectionResetError: reset"),
        (KVNamespaceError("full"), "load session 'id': KVNamespaceError: full"),
    ):
        storage = KVSessionStorage(Failing(error), on_error="raise")
        with pytest.raises(SessionStorageUnavailableError) as caught:
            await storage.load_session("id")
        assert str(caught.value) == f"kv_style: could not {shown}"
        assert error in (caught.value.__cause__, caught.value.__cause__.__cause__)
        assert await KVSessionStorage(Failing(error)).load_session("id") is None
        assert shown in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.asyncio
async def test_namespace_that_gives_no_text_is_told_so():
    class Bytes(Failing):
        async def get(self, key: str) -> Any:
            return b"[]"

    with pytest.raises(TypeError, match="str or None, not bytes"):
        await KVSessionStorage(Bytes(OSError())).load_session("id")


def test_binding_of_a_worker_repeats_what_passes_and_tells_what_does_not():
    in_pyodide("""
        from pyodide.code import run_js
        from shopify_session_storage import Session, SessionStorageUnavailableError
        from shopify_session_storage_kv_style import *

        # A binding that fails first, as the real one does for writes within a second.
        failing = run_js('''(binding, errors) => {
            const or = (call) => async (...args) => {
                if (errors.length) { throw new Error(errors.shift()); }
                return call(...args);
            };
            return {
                get: or((key) => binding.get(key)),
                put: or((key, value) => binding.put(key, value)),
                delete: or((key) => binding.delete(key)),
            };
        }''')
        array = run_js("(...texts) => texts")
        too_many = "KV PUT failed: 429 Too Many Requests"
        session = Session(id="a", shop="s", state="", is_online=False, access_token="shpat_secret")
        storage = KVSessionStorage(on_error="raise")
        storage.set_namespace(WorkersKVNamespace(failing(binding, array(too_many, too_many))))
        assert await storage.store_session(session)
        assert session.equals(await storage.load_session("a"))
        assert [one.id for one in await storage.find_sessions_by_shop("s")] == ["a"]
        storage.set_namespace(WorkersKVNamespace(failing(binding, array("KV GET failed: 500"))))
        try:
            await storage.load_session("a")
        except SessionStorageUnavailableError as error:
            assert "KV GET failed: 500" in str(error), error
        else:
            raise AssertionError
        try:
            KVSessionStorage(binding)
        except TypeError as error:
            assert "WorkersKVNamespace(env.MY_KV)" in str(error), error
        else:
            raise AssertionError
    """)


def test_namespaces_are_equal_if_they_are_the_same(kv_url):
    first, second = namespace_of(kv_url), namespace_of(kv_url)
    assert first == second
    assert hash(first) == hash(second)
    assert first != namespace_of(kv_url, kv.NAMESPACES[1])
    assert isinstance(first, BulkKVNamespace)
    assert not isinstance(Plain(first), BulkKVNamespace)


def test_httpx_is_needed_for_the_api_alone():
    program = """
        import sys
        sys.modules["httpx"] = None
        from shopify_session_storage_kv_style import CloudflareKVNamespace, KVSessionStorage
        KVSessionStorage()
        try:
            CloudflareKVNamespace("account", "namespace", "token")
        except ImportError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True
    )
    assert "pip install 'shopify-session-storage-kv-style[cloudflare]'" in done.stdout, done.stderr
