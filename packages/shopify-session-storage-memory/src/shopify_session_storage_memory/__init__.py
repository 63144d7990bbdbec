"""Session storage for Shopify apps in the memory of one process."""

__version__ = "1.0.0"

from shopify_session_storage_memory.storage import MemorySessionStorage, open_url

__all__ = ["MemorySessionStorage", "open_url"]
