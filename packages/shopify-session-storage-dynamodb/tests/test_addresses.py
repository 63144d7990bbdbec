"""URLs and arguments: honoured, or refused without showing them."""

import boto3
import pytest
from shopify_session_storage import MigrationError, open_session_storage
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_dynamodb import DynamoDBSessionStorage

from .conftest import SHOP


def test_bad_arguments_are_refused():
    for name in ("", "ab", "a" * 256, "a/b", "tablé", "arn:aws:dynamodb:eu-west-1:1:table/name"):
        with pytest.raises(ValueError, match="session_table_name"):
            DynamoDBSessionStorage(session_table_name=name)
        with pytest.raises(ValueError, match="shop_index_name"):
            DynamoDBSessionStorage(shop_index_name=name)
    for arguments in (
        {"session_table_name": None},
        {"shop_index_name": 7},
        {"session": "eu-west-1"},
        {"session": boto3.Session()},
        {"create_table": "false"},
        {"consistent_read": 1},
        {"client_options": {"no_such_option": 1}},
        {"client_options": {"service_name": "s3"}},
        {"client_options": {"config": {"read_timeout": 1}}},
        {"client_options": {"endpoint_url": 8000}},
    ):
        with pytest.raises(TypeError):
            DynamoDBSessionStorage(**arguments)
    with pytest.raises(ValueError, match="on_error"):
        DynamoDBSessionStorage(on_error="ignore")
    for endpoint in (
        "localhost:8000",
        "ftp://host",
        "http://",
        "http://u:sekret@host",
        "http://h:x",
    ):
        with pytest.raises(ValueError, match="endpoint_url") as caught:
            DynamoDBSessionStorage(client_options={"endpoint_url": endpoint})
        assert "sekret" not in str(caught.value)
    assert repr(DynamoDBSessionStorage()) == "<DynamoDBSessionStorage on shopify_sessions>"


@pytest.mark.asyncio
async def test_storage_by_url(dynamodb_url, table, make, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tester")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sekret")
    url = f"dynamodb://eu-west-1/{table}?endpoint_url={dynamodb_url}&shop_index_name=by-shop"
    with pytest.raises(MigrationError, match="IndexName=by-shop"):
        await open_session_storage(url).ready()
    session = offline_session(SHOP)
    async with open_session_storage(f"{url}&create_table=true", on_error="raise") as storage:
        await storage.store_session(session)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    async with open_session_storage(
        f"dynamodb:///?endpoint_url={dynamodb_url}",
        session_table_name=table,
        shop_index_name="by-shop",
        client_options={"verify": False},
    ) as storage:
        assert session.equals(await storage.load_session(session.id))


@pytest.mark.parametrize(
    "rest",
    ["region/ta/ble", "key:sekret@region/table", "region:8000/table", "region/table#f", "Région/t",
     "region/table?create_table=sekret", "region/table?password=sekret", "region/table?sekret",
     "region/table?endpoint_url=sekret", "[sekret/table"],
)  # fmt: skip
def test_bad_url_is_refused_without_showing_it(rest):
    with pytest.raises(ValueError, match=r"DynamoDB|session_table_name|endpoint_url") as caught:
        open_session_storage(f"dynamodb://{rest}")
    assert "sekret" not in f"{caught.value!r} {caught.value.__cause__}"
