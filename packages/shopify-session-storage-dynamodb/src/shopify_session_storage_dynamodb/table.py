"""The table and its index: what they must look like, what to say if they do not, creating them."""

import asyncio
import random
from collections.abc import Mapping
from itertools import chain, repeat
from typing import Any, Final

from botocore.exceptions import ClientError
from shopify_session_storage import MigrationError

from shopify_session_storage_dynamodb import errors

_WAIT_SECONDS: Final = 300


class Table:
    """The table of a storage.

    Args:
        name: Name of the table.
        index: Name of its index on ``shop``.
    """

    def __init__(self, name: str, index: str) -> None:
        self.name = name
        self.index = index

    def hint(self) -> str:
        """Return how to create the table."""
        return (
            "create it with create_table=True, or with: aws dynamodb create-table "
            f"--table-name {self.name} --billing-mode PAY_PER_REQUEST --attribute-definitions "
            "AttributeName=id,AttributeType=S AttributeName=shop,AttributeType=S "
            "--key-schema AttributeName=id,KeyType=HASH --global-secondary-indexes "
            f"'IndexName={self.index},KeySchema=[{{AttributeName=shop,KeyType=HASH}}],"
            "Projection={ProjectionType=KEYS_ONLY}'"
        )

    def _index_hint(self) -> str:
        return (
            "create it with: aws dynamodb update-table "
            f"--table-name {self.name} --attribute-definitions AttributeName=shop,AttributeType=S "
            "--global-secondary-index-updates "
            f"'Create={{IndexName={self.index},KeySchema=[{{AttributeName=shop,KeyType=HASH}}],"
            "Projection={ProjectionType=KEYS_ONLY}}'"
        )

    async def check(self, client: Any, *, create: bool) -> None:
        """See that the table is there and serves, with its index.

        One DescribeTable; more while the table is being created. An account without the right to
        DescribeTable goes unchecked, unless it is to create the table.

        Args:
            client: Client of DynamoDB.
            create: Whether to create the table if it does not exist.

        Raises:
            MigrationError: If the table or the index is missing or has another key; the message
                says what to do.
        """
        deadline = asyncio.get_running_loop().time() + _WAIT_SECONDS
        for pause in chain((0.1, 0.2, 0.5), repeat(1.0)):
            try:
                description = (await client.describe_table(TableName=self.name))["Table"]
            except ClientError as error:
                code = errors.code_of(error)
                if code == errors.NO_RIGHT and not create:
                    return
                if code == errors.NO_RIGHT:
                    raise self._denied(error) from None
                if code != errors.NO_TABLE:
                    raise
                description = None
            if description is None:
                if not create:
                    raise MigrationError(
                        f"dynamodb: there is no table {self.name!r} in this region; {self.hint()}"
                    )
                description = await self._create(client)
            if description is not None and self._is_complete(description):
                return
            if asyncio.get_running_loop().time() > deadline:
                raise MigrationError(
                    f"dynamodb: the table {self.name!r} is still being created after "
                    f"{_WAIT_SECONDS} seconds"
                )
            await asyncio.sleep(random.uniform(0, pause))  # noqa: S311  # no secret

    async def _create(self, client: Any) -> Mapping[str, Any] | None:
        """Create the table and return its description, or None if it exists by now."""
        try:
            answer = await client.create_table(
                TableName=self.name,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[
                    {"AttributeName": "id", "AttributeType": "S"},
                    {"AttributeName": "shop", "AttributeType": "S"},
                ],
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                GlobalSecondaryIndexes=[
                    {
                        "IndexName": self.index,
                        "KeySchema": [{"AttributeName": "shop", "KeyType": "HASH"}],
                        "Projection": {"ProjectionType": "KEYS_ONLY"},
                    }
                ],
            )
        except ClientError as error:
            if errors.code_of(error) == errors.NO_RIGHT:
                raise self._denied(error) from None
            if errors.code_of(error) != "ResourceInUseException":  # another process was faster
                raise
            return None
        description: Mapping[str, Any] = answer["TableDescription"]
        return description

    def _denied(self, error: ClientError) -> MigrationError:
        return MigrationError(
            f"dynamodb: the table {self.name!r} cannot be created: {errors.describe(error)}; "
            f"ask somebody with the right to create it, and leave create_table out; {self.hint()}"
        )

    def _is_complete(self, description: Mapping[str, Any]) -> bool:
        """Check what DescribeTable tells, and return whether all of it can be used by now."""
        types = {
            one["AttributeName"]: one["AttributeType"]
            for one in description["AttributeDefinitions"]
        }
        if _key(description) != {"HASH": "id"} or types["id"] != "S":
            raise MigrationError(
                f"dynamodb: the table {self.name!r} has another key than id (a string)"
            )
        indexes = {one["IndexName"]: one for one in description.get("GlobalSecondaryIndexes", ())}
        index = indexes.get(self.index)
        if index is None:
            raise MigrationError(
                f"dynamodb: the table {self.name!r} has no global secondary index {self.index!r}; "
                f"{self._index_hint()}"
            )
        # With another sort key the index would lack the sessions that do not have that attribute.
        if _key(index) not in ({"HASH": "shop"}, {"HASH": "shop", "RANGE": "id"}) or (
            types["shop"] != "S"
        ):
            raise MigrationError(
                f"dynamodb: the index {self.index!r} of the table {self.name!r} has another key "
                "than shop (a string); name another one with shop_index_name, or "
                f"{self._index_hint()}"
            )
        # An index that is being filled does not yet serve finds, but all else works.
        being_made = index.get("IndexStatus") == "CREATING" and not index.get("Backfilling")
        return description["TableStatus"] != "CREATING" and not being_made


def _key(description: Mapping[str, Any]) -> dict[str, str]:
    return {one["KeyType"]: one["AttributeName"] for one in description["KeySchema"]}
