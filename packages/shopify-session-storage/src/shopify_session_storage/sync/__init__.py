"""Storages and access tokens for code that does not await: Django, Flask, Celery, scripts.

One thread with one event loop does the work of the whole process, so calls of many threads travel
together and share one pool of connections. A forked child gets its own thread::

    storage = SyncSessionStorage(PostgreSQLSessionStorage(url))
    tokens = SyncAccessTokenStore(storage, app=shopify)
"""

from shopify_session_storage.sync.access_tokens import SyncAccessTokenStore
from shopify_session_storage.sync.storage import SyncSessionStorage

__all__ = ["SyncAccessTokenStore", "SyncSessionStorage"]
