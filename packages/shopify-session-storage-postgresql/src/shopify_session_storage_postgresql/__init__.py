"""Session storage for Shopify apps in PostgreSQL."""

__version__ = "1.0.0"

from shopify_session_storage_postgresql.storage import PostgreSQLSessionStorage, open_url

__all__ = ["PostgreSQLSessionStorage", "open_url"]
