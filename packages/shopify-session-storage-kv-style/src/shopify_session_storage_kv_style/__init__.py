"""Session storage for Shopify apps in Cloudflare KV, and in stores like it."""

from shopify_session_storage_kv_style.cloudflare import CloudflareKVError, CloudflareKVNamespace
from shopify_session_storage_kv_style.namespace import (
    BulkKVNamespace,
    KVNamespace,
    KVNamespaceError,
)
from shopify_session_storage_kv_style.storage import KVSessionStorage, open_url
from shopify_session_storage_kv_style.workers import WorkersKVNamespace

__all__ = [
    "BulkKVNamespace",
    "CloudflareKVError",
    "CloudflareKVNamespace",
    "KVNamespace",
    "KVNamespaceError",
    "KVSessionStorage",
    "WorkersKVNamespace",
    "open_url",
]
