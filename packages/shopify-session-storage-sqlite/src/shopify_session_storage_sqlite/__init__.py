"""Session storage for Shopify apps in SQLite."""

from shopify_session_storage_sqlite.storage import SQLiteSessionStorage, open_url

__all__ = ["SQLiteSessionStorage", "open_url"]
