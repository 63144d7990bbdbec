"""Session storage for Shopify apps on an SQLAlchemy engine."""

__version__ = "1.0.0"

from shopify_session_storage_sqlalchemy.storage import SQLAlchemySessionStorage
from shopify_session_storage_sqlalchemy.tables import leases_table, sessions_table

__all__ = ["SQLAlchemySessionStorage", "leases_table", "sessions_table"]
