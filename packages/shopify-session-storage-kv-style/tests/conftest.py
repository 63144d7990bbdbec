"""Namespaces to test with, and what looks at their keys."""

import json
import subprocess
import textwrap
from dataclasses import dataclass
from typing import Any

import environment
import httpx
import pytest
import pytest_asyncio
from servers import kv
from servers.proxy import Proxy
from shopify_session_storage import open_session_storage
from shopify_session_storage.testing.sessions import unique
from shopify_session_storage_kv_style import CloudflareKVNamespace, KVNamespace


def api_of(url: str) -> str:
    """Return the address of the API in a storage's URL."""
    return url.partition("?base_url=")[2]


def namespace_of(url: str, id: str = kv.NAMESPACES[0], **options) -> CloudflareKVNamespace:
    """Make a namespace of our own."""
    return CloudflareKVNamespace(kv.ACCOUNT, id, kv.TOKEN, base_url=api_of(url), **options)


@pytest_asyncio.fixture
async def raw(kv_url):
    """Return a namespace to look at keys with, and to write them."""
    async with namespace_of(kv_url) as namespace:
        yield namespace


@pytest_asyncio.fixture
async def storage(kv_url):
    """Return a storage that raises failures."""
    async with open_session_storage(kv_url, on_error="raise") as storage:
        yield storage


@pytest_asyncio.fixture
async def proxy(kv_url):
    """Return a proxy in front of the server."""
    url = httpx.URL(api_of(kv_url))
    async with Proxy(url.host, url.port) as proxy:
        yield proxy


def through(proxy: Proxy, url: str) -> str:
    """Return *url* with the address of the proxy."""
    api = httpx.URL(api_of(url))
    return url.replace(f"{api.host}:{api.port}", f"127.0.0.1:{proxy.port}")


@pytest_asyncio.fixture
async def faults(kv_url):
    """Return what makes the next requests fail: takes faults as api.mjs describes them."""
    address = httpx.URL(api_of(kv_url)).join("/faults")
    async with httpx.AsyncClient() as client:

        async def plan(*faults: dict) -> None:
            response = await client.put(address, json=faults)
            assert response.json()["success"]

        yield plan
        await plan()


@pytest_asyncio.fixture
async def write_limit(kv_url):
    """Let a key be written once a second only, as Workers KV does."""
    address = httpx.URL(api_of(kv_url)).join("/limits")
    async with httpx.AsyncClient() as client:
        await client.put(address, json=True)
        yield
        await client.put(address, json=False)


def in_pyodide(program: str, pyodide: str = "pyodide") -> str:
    """Run a Python program in Pyodide, with ``binding``, a KV namespace of workerd.

    Returns what it prints.
    """
    sources = [
        environment.ROOT / "packages" / name / "src"
        for name in ("shopify-session-storage", "shopify-session-storage-kv-style")
    ]
    if not all(source.exists() for source in sources):
        pytest.skip("the sources of core are in the repository alone")
    folder = kv.folder()
    settings = {
        "pyodide": pyodide,
        "sources": [str(source) for source in sources],
        "program": textwrap.dedent(program),
    }
    done = subprocess.run(
        ["node", str(folder / "pyodide.mjs"), json.dumps(settings)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def shop():
    """Return a shop that no other test uses."""
    return f"{unique('shop')}.example"


@dataclass
class Plain:
    """A namespace of one's own: not hashable, and without bulk calls."""

    namespace: KVNamespace

    async def get(self, key):
        return await self.namespace.get(key)

    async def put(self, key, value):
        await self.namespace.put(key, value)

    async def delete(self, key):
        await self.namespace.delete(key)


def refusal(status: int, code: int, message: str = "no", **headers: str) -> dict[str, Any]:
    body = json.dumps({"success": False, "errors": [{"code": code, "message": message}]})
    return {"status": status, "body": body, "headers": headers}


def ids(sessions):
    return {session.id for session in sessions}
