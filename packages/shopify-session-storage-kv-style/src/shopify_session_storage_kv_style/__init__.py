"""Session storage for Shopify apps in Cloudflare KV, and in stores like it."""

__version__ = "1.0.0"

from shopify_session_storage_kv_style.cloudflare import CloudflareKVNamespace
from shopify_session_storage_kv_style.errors import CloudflareKVError, KVNamespaceError
from shopify_session_storage_kv_style.namespace import (
    BulkKVNamespace,
    ExpiringKVNamespace,
    KVNamespace,
    ListingKVNamespace,
)
from shopify_session_storage_kv_style.storage import KVSessionStorage, open_url
from shopify_session_storage_kv_style.workers import WorkersKVNamespace

__all__ = [
    "BulkKVNamespace",
    "CloudflareKVError",
    "CloudflareKVNamespace",
    "ExpiringKVNamespace",
    "KVNamespace",
    "KVNamespaceError",
    "KVSessionStorage",
    "ListingKVNamespace",
    "WorkersKVNamespace",
    "open_url",
]
