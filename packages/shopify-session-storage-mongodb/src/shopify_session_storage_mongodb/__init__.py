"""Session storage for Shopify apps in MongoDB."""

from shopify_session_storage_mongodb.storage import MongoDBSessionStorage, open_url

__all__ = ["MongoDBSessionStorage", "open_url"]
