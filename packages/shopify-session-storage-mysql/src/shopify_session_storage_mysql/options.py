"""The options of the storage, for editors to complete."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypedDict

from shopify_session_storage import LayoutName, OnError, RdbmsSessionStorageMigratorOptions


class MySQLOptions(TypedDict, total=False):
    """The options of :class:`MySQLSessionStorage`, all of them keyword-only."""

    session_table_name: str | None
    layout: LayoutName
    column_names: Mapping[str, str] | None
    leases_table_name: str | None
    connection_pool_limit: int
    pool_options: Mapping[str, Any] | None
    migrator_options: RdbmsSessionStorageMigratorOptions | None
    rewrite_large_tables: bool
    on_error: OnError
    timeout: timedelta
