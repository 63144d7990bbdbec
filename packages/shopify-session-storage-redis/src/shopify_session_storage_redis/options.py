"""The options of the storage, for editors to complete."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypedDict

from shopify_session_storage import OnError, SessionStorageMigratorOptions


class RedisOptions(TypedDict, total=False):
    """The options of :class:`RedisSessionStorage`, all of them keyword-only."""

    session_key_prefix: str
    client_options: Mapping[str, Any] | None
    migrator_options: SessionStorageMigratorOptions | None
    expire_dead: timedelta | None
    on_error: OnError
    timeout: timedelta
