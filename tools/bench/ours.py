"""Our adapters, by backend, each as its users open it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from shopify_session_storage import BaseSessionStorage, SessionStorage


class Ours:
    """A storage, with the names of the operations."""

    def __init__(self, storage: SessionStorage) -> None:
        self.store = storage.store_session
        self.load = storage.load_session
        self.find = storage.find_sessions_by_shop
        self.delete = storage.delete_session
        self.delete_many = storage.delete_sessions


@asynccontextmanager
async def _opened(storage: BaseSessionStorage) -> AsyncIterator[Ours]:
    async with storage:
        yield Ours(storage)


def sqlite(database: str) -> Any:
    """Open SQLite."""
    from shopify_session_storage_sqlite import SQLiteSessionStorage

    return _opened(SQLiteSessionStorage(database, on_error="raise"))


def postgresql(url: str) -> Any:
    """Open PostgreSQL."""
    from shopify_session_storage_postgresql import PostgreSQLSessionStorage

    return _opened(PostgreSQLSessionStorage(url, on_error="raise"))


def mysql(url: str) -> Any:
    """Open MySQL."""
    from shopify_session_storage_mysql import MySQLSessionStorage

    return _opened(MySQLSessionStorage(url, on_error="raise"))


def redis(url: str, prefix: str) -> Any:
    """Open Redis."""
    from shopify_session_storage_redis import RedisSessionStorage

    return _opened(RedisSessionStorage(url, session_key_prefix=prefix, on_error="raise"))


def mongodb(url: str, database: str) -> Any:
    """Open MongoDB, with motor."""
    from shopify_session_storage_mongodb import MongoDBSessionStorage

    return _opened(MongoDBSessionStorage(url, database, on_error="raise"))


def dynamodb(endpoint: str, region: str, table: str) -> Any:
    """Open DynamoDB."""
    import aioboto3
    from shopify_session_storage_dynamodb import DynamoDBSessionStorage

    return _opened(
        DynamoDBSessionStorage(
            session_table_name=table,
            session=aioboto3.Session("local", "local", region_name=region),
            client_options={"endpoint_url": endpoint},
            on_error="raise",
        )
    )


def kv_style(url: str, token: str) -> Any:
    """Open Workers KV, by Cloudflare's REST API."""
    from shopify_session_storage_kv_style import CloudflareKVNamespace, KVSessionStorage

    base_url, _, rest = url.partition("/accounts/")
    account, _, namespace = rest.partition("/storage/kv/namespaces/")
    kv = CloudflareKVNamespace(account, namespace, token, base_url=base_url)
    return _opened(KVSessionStorage(kv, on_error="raise"))
