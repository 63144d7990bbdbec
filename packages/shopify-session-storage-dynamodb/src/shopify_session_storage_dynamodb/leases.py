"""Leases: items of the table that no session can have, written on a condition."""

import time
from typing import Any

from botocore.exceptions import ClientError

from shopify_session_storage_dynamodb import errors
from shopify_session_storage_dynamodb.items import lease_key_of, lease_of


async def acquire_lease(client: Any, table: str, name: str, holder: str, milliseconds: int) -> bool:
    """Take or renew a lease, and tell whether *holder* has it. One round trip."""
    now = time.time_ns() // 1_000_000  # DynamoDB shows no clock of its own
    try:
        await client.put_item(
            TableName=table,
            Item=lease_of(name, holder, now + milliseconds),
            ConditionExpression=(
                "attribute_not_exists(id) OR holder = :holder OR leaseExpires <= :now"
            ),
            ExpressionAttributeValues={":holder": {"S": holder}, ":now": {"N": str(now)}},
        )
    except ClientError as error:
        if errors.code_of(error) != errors.CONDITION_NOT_MET:
            raise
        return False
    return True


async def release_lease(client: Any, table: str, name: str, holder: str) -> None:
    """Give up a lease if *holder* has it."""
    try:
        await client.delete_item(
            TableName=table,
            Key=lease_key_of(name),
            ConditionExpression="holder = :holder",
            ExpressionAttributeValues={":holder": {"S": holder}},
        )
    except ClientError as error:
        if errors.code_of(error) != errors.CONDITION_NOT_MET:
            raise
