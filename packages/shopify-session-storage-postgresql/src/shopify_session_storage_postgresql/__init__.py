"""Session storage for Shopify apps in PostgreSQL."""

from shopify_session_storage_postgresql.storage import PostgreSQLSessionStorage, open_url

__all__ = ["PostgreSQLSessionStorage", "open_url"]
