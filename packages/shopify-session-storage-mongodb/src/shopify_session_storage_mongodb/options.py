"""The options of the storage, for editors to complete."""

from datetime import timedelta
from typing import TypedDict

from shopify_session_storage import OnError


class MongoDBOptions(TypedDict, total=False):
    """The options of :class:`MongoDBSessionStorage`, all of them keyword-only."""

    session_collection_name: str
    expire_dead: timedelta | None
    on_error: OnError
    timeout: timedelta
