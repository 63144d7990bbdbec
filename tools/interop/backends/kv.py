"""A namespace of Workers KV."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import servers.kv

from interop.backends.backend import Backend, Space


@asynccontextmanager
async def _kv_style(url: str, _: Path) -> AsyncIterator[Space]:
    import golden
    from shopify_session_storage_kv_style import CloudflareKVNamespace, KVSessionStorage

    parts = urlsplit(url)
    account, namespace = parts.netloc, parts.path[1:]
    base_url = parts.query.partition("=")[2]
    token = os.environ["CLOUDFLARE_API_TOKEN"]
    async with CloudflareKVNamespace(account, namespace, token, base_url=base_url) as kv:

        async def restore(data: Path) -> None:
            for row in golden.load(data):
                await kv.put(row["key"], row["value"])

        address = f"{base_url}/accounts/{account}/storage/kv/namespaces/{namespace}"
        yield Space(
            lambda: KVSessionStorage(kv, on_error="raise"),
            {"url": address, "token": token},
            restore,
        )


KV = Backend(
    "kv-style",
    servers.kv.KV,
    _kv_style,
    (),
    ("httpx",),
    dict.fromkeys(("kv_v4_keys.json",)),
)
