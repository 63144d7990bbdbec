"""Tables of their own for tests, and what looks at the items."""

from datetime import timedelta
from uuid import uuid4

import aioboto3
import pytest
import pytest_asyncio
from shopify_session_storage_dynamodb import DynamoDBSessionStorage

from .between import Between

# It loads the description of the service once for all tests.
SESSION = aioboto3.Session()
SHOP = "alpha.myshopify.com"


def client_options(url: str, **options):
    """Return the options of a client of the test server, which takes any credentials."""
    return {
        "endpoint_url": url,
        "region_name": "eu-west-1",
        "aws_access_key_id": "tester",
        "aws_secret_access_key": "sekret",
        "verify": False,  # nothing is encrypted here, and loading certificates takes long
        **options,
    }


@pytest.fixture
def table() -> str:
    """Return the name of a table that no other test uses."""
    return f"Test.table_{uuid4().hex}"


@pytest_asyncio.fixture
async def raw(dynamodb_url):
    """Return a client to look at items with, and to write them."""
    async with SESSION.client("dynamodb", **client_options(dynamodb_url)) as client:
        yield client


@pytest.fixture
def make(dynamodb_url, table):
    """Return what makes a storage that raises failures, with a table of its own."""

    def make(url: str = dynamodb_url, **options) -> DynamoDBSessionStorage:
        return DynamoDBSessionStorage(
            **{
                "session_table_name": table,
                "session": SESSION,
                "client_options": client_options(url),
                "create_table": True,
                "on_error": "raise",
                "timeout": timedelta(seconds=60),  # a busy machine's
                **options,
            }
        )

    return make


@pytest_asyncio.fixture
async def storage(make):
    """Return such a storage, which is open."""
    async with make() as storage:
        yield storage


@pytest_asyncio.fixture
async def between(dynamodb_url):
    """Return what stands between a storage and the server."""
    async with Between(dynamodb_url) as between:
        yield between


def key_schema(*names: str) -> list[dict[str, str]]:
    kinds = ("HASH", "RANGE")[: len(names)]
    return [
        {"AttributeName": name, "KeyType": kind} for name, kind in zip(names, kinds, strict=True)
    ]


async def make_table(raw, table, keys=("id",), **indexes):
    names = {*keys, *(name for index in indexes.values() for name in index)}
    await raw.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in sorted(names)
        ],
        KeySchema=key_schema(*keys),
        **({} if not indexes else {
            "GlobalSecondaryIndexes": [
                {
                    "IndexName": name,
                    "KeySchema": key_schema(*index),
                    "Projection": {"ProjectionType": "ALL"},
                }
                for name, index in indexes.items()
            ]
        }),
    )  # fmt: skip


def same(sessions, others) -> bool:
    return all(one.equals(other) for one, other in zip(sessions, others, strict=True))
