"""Session storage for Shopify apps in SQLite."""

__version__ = "1.0.0"

from shopify_session_storage_sqlite.storage import SQLiteSessionStorage, open_url

__all__ = ["SQLiteSessionStorage", "open_url"]
