"""What editors complete for ``**options`` are the options of the constructor, with their types."""

import importlib
import inspect
from typing import get_args

import pytest
from shopify_session_storage.access_tokens import AccessTokenStore
from shopify_session_storage.sync import SyncAccessTokenStore
from shopify_session_storage_mongodb import MongoDBSessionStorage
from shopify_session_storage_mysql import MySQLSessionStorage
from shopify_session_storage_postgresql import PostgreSQLSessionStorage
from shopify_session_storage_redis import RedisSessionStorage

STORAGES = [
    MongoDBSessionStorage, MySQLSessionStorage, PostgreSQLSessionStorage, RedisSessionStorage,
]  # fmt: skip


def keywords_of(function):
    """Return the types of the keyword-only parameters, by name."""
    parameters = inspect.signature(function).parameters.values()
    return {each.name: each.annotation for each in parameters if each.kind is each.KEYWORD_ONLY}


def options_of(function):
    """Return the types of what ``**options`` may hold, by name."""
    (options,) = get_args(inspect.signature(function).parameters["options"].annotation)
    return options.__annotations__


@pytest.mark.parametrize("storage", STORAGES)
def test_a_storage_with_credentials_and_one_by_url_have_the_options_of_the_class(storage):
    module = importlib.import_module(storage.__module__)
    expected = keywords_of(storage.__init__)
    assert options_of(storage.with_credentials) == expected
    assert options_of(module.open_url) == expected


def test_the_store_that_blocks_has_the_options_of_the_one_that_awaits():
    own = keywords_of(SyncAccessTokenStore.__init__)
    both = options_of(SyncAccessTokenStore.__init__) | {"leases": own["leases"]}
    assert both.keys() == keywords_of(AccessTokenStore.__init__).keys()
