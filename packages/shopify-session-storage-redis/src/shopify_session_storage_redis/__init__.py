"""Session storage for Shopify apps in Redis."""

from shopify_session_storage_redis.storage import RedisSessionStorage, open_url

__all__ = ["RedisSessionStorage", "open_url"]
