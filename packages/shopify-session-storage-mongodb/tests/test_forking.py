"""Forked children connect anew."""

import pytest
from servers.forking import fork_children_of_a_running_loop
from shopify_session_storage_mongodb import MongoDBSessionStorage

pytestmark = pytest.mark.usefixtures("eager_driver")


def test_children_of_a_process_with_a_running_loop_connect_anew(mongodb_url, collection, raw):
    fork_children_of_a_running_loop(
        MongoDBSessionStorage(mongodb_url, session_collection_name=collection, on_error="raise")
    )
