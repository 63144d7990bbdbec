"""Whether the table deletes by itself what is to be deleted."""

import logging
from typing import Any

from botocore.exceptions import ClientError

from shopify_session_storage_dynamodb import errors
from shopify_session_storage_dynamodb.items import TTL
from shopify_session_storage_dynamodb.table import Table


async def check_time_to_live(
    client: Any, table: Table, *, enable: bool, logger: logging.Logger
) -> None:
    """See that the table looks at the attribute; if it does not, say so. One round trip.

    Args:
        client: Client of DynamoDB.
        table: The table.
        enable: Whether to let it, if it looks at none.
        logger: Where to say it.
    """
    try:
        answer = await client.describe_time_to_live(TableName=table.name)
        found = answer["TimeToLiveDescription"]
        is_off = found["TimeToLiveStatus"] in ("DISABLED", "DISABLING")
        if is_off and enable:
            await client.update_time_to_live(
                TableName=table.name,
                TimeToLiveSpecification={"Enabled": True, "AttributeName": TTL},
            )
            return
    except ClientError as error:
        # Another process was faster, or it is for others to see to.
        if errors.code_of(error) not in ("ValidationException", errors.NO_RIGHT):
            raise
        return
    if is_off or found.get("AttributeName") != TTL:
        logger.warning(
            "dynamodb: the table %r does not delete items by their attribute %s; turn that on "
            "with: aws dynamodb update-time-to-live --table-name %s "
            "--time-to-live-specification Enabled=true,AttributeName=%s",
            table.name,
            TTL,
            table.name,
            TTL,
        )
