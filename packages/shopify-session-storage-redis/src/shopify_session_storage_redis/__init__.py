"""Session storage for Shopify apps in Redis."""

__version__ = "1.0.0"

from shopify_session_storage_redis.storage import RedisSessionStorage, open_url

__all__ = ["RedisSessionStorage", "open_url"]
