"""Session storage for Shopify apps in MongoDB."""

__version__ = "1.0.0"

from shopify_session_storage_mongodb.storage import MongoDBSessionStorage, open_url

__all__ = ["MongoDBSessionStorage", "open_url"]
