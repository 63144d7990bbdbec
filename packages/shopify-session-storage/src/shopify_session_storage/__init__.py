"""Session storage for Shopify apps: the interface, the base of all adapters, and a session."""

__version__ = "1.0.0"

from shopify_session_storage.addresses import UrlParameters, normal_scheme, url_with_credentials
from shopify_session_storage.base import DEFAULT_TIMEOUT, BaseSessionStorage
from shopify_session_storage.caching import CachedSessionStorage, fresh_reads
from shopify_session_storage.checks import (
    check_comparison,
    check_expected,
    check_lease,
    check_session,
    check_session_id,
    check_session_ids,
    check_shop,
    is_session_id,
)
from shopify_session_storage.custom import CustomSessionStorage
from shopify_session_storage.dialect import Dialect
from shopify_session_storage.errors import (
    CorruptSessionError,
    InvalidSessionError,
    MigrationError,
    SessionStorageError,
    SessionStorageUnavailableError,
)
from shopify_session_storage.events import StorageCall, TokenEvent, subscribe
from shopify_session_storage.failures import OnError, Verdict, hide_locals, hides_arguments
from shopify_session_storage.ids import offline_session_id, online_session_id, sanitize_shop
from shopify_session_storage.javascript import js_date
from shopify_session_storage.migrations import (
    AbstractMigrationEngine,
    MigrationOperation,
    RdbmsSessionStorageMigrator,
    RdbmsSessionStorageMigratorOptions,
    RdbmsSessionStorageOptions,
    SessionStorageMigrator,
    SessionStorageMigratorOptions,
    SqlConnection,
)
from shopify_session_storage.pages import SessionPage, page_of
from shopify_session_storage.retention import PurgeReport, check_grace, expiry_of
from shopify_session_storage.scopes import AuthScopes
from shopify_session_storage.session import AssociatedUser, OnlineAccessInfo, Session
from shopify_session_storage.session_json import dump_session_json, read_session_json
from shopify_session_storage.sql.layouts import (
    DIGITS,
    Encodings,
    Kind,
    Layout,
    LayoutName,
    LiveColumn,
    sqlite_encodings,
)
from shopify_session_storage.sql.storage import SqlSessionStorage
from shopify_session_storage.sql.table import TableSessionStorage
from shopify_session_storage.storage import SessionStorage
from shopify_session_storage.stored import (
    COLUMNS,
    copy_session,
    has_same_tokens,
    is_same_write,
    read_property_array,
    read_stored,
    session_from_values,
    stored_session,
)
from shopify_session_storage.urls import open_session_storage

__all__ = [
    "COLUMNS",
    "DEFAULT_TIMEOUT",
    "DIGITS",
    "AbstractMigrationEngine",
    "AssociatedUser",
    "AuthScopes",
    "BaseSessionStorage",
    "CachedSessionStorage",
    "CorruptSessionError",
    "CustomSessionStorage",
    "Dialect",
    "Encodings",
    "InvalidSessionError",
    "Kind",
    "Layout",
    "LayoutName",
    "LiveColumn",
    "MigrationError",
    "MigrationOperation",
    "OnError",
    "OnlineAccessInfo",
    "PurgeReport",
    "RdbmsSessionStorageMigrator",
    "RdbmsSessionStorageMigratorOptions",
    "RdbmsSessionStorageOptions",
    "Session",
    "SessionPage",
    "SessionStorage",
    "SessionStorageError",
    "SessionStorageMigrator",
    "SessionStorageMigratorOptions",
    "SessionStorageUnavailableError",
    "SqlConnection",
    "SqlSessionStorage",
    "StorageCall",
    "TableSessionStorage",
    "TokenEvent",
    "UrlParameters",
    "Verdict",
    "check_comparison",
    "check_expected",
    "check_grace",
    "check_lease",
    "check_session",
    "check_session_id",
    "check_session_ids",
    "check_shop",
    "copy_session",
    "dump_session_json",
    "expiry_of",
    "fresh_reads",
    "has_same_tokens",
    "hide_locals",
    "hides_arguments",
    "is_same_write",
    "is_session_id",
    "js_date",
    "normal_scheme",
    "offline_session_id",
    "online_session_id",
    "open_session_storage",
    "page_of",
    "read_property_array",
    "read_session_json",
    "read_stored",
    "sanitize_shop",
    "session_from_values",
    "sqlite_encodings",
    "stored_session",
    "subscribe",
    "url_with_credentials",
]
