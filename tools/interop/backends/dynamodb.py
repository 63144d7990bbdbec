"""A table of DynamoDB."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import servers.dynamodb
from shopify_session_storage import BaseSessionStorage

from interop.backends.backend import Backend, Space


@asynccontextmanager
async def _dynamodb(endpoint: str, _: Path) -> AsyncIterator[Space]:
    import aioboto3
    from shopify_session_storage_dynamodb import DynamoDBSessionStorage

    table = f"interop_{uuid4().hex}"
    session = aioboto3.Session("local", "local", region_name="us-east-1")

    def python() -> BaseSessionStorage:
        return DynamoDBSessionStorage(
            session_table_name=table,
            session=session,
            client_options={"endpoint_url": endpoint},
            create_table=True,
            on_error="raise",
        )

    options = {"endpoint": endpoint, "region": "us-east-1", "table": table}
    yield Space(python, options)
    async with session.client("dynamodb", endpoint_url=endpoint) as client:
        await client.delete_table(TableName=table)


DYNAMODB = Backend(
    "dynamodb",
    servers.dynamodb.DYNAMODB,
    _dynamodb,
    ("@aws-sdk/client-dynamodb", "@aws-sdk/util-dynamodb"),
    ("aioboto3", "aiobotocore"),
    either_creates=False,  # the official adapter never does
)
