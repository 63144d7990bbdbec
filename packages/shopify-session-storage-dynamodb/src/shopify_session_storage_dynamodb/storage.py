"""Sessions in DynamoDB: the operations."""

import re
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, ClassVar, Final

import aioboto3
from botocore.exceptions import BotoCoreError, ClientError
from shopify_session_storage import (
    DEFAULT_TIMEOUT,
    BaseSessionStorage,
    OnError,
    Session,
    SessionPage,
    Verdict,
    check_grace,
    expiry_of,
    hides_arguments,
    is_same_write,
    is_session_id,
    page_of,
)

from shopify_session_storage_dynamodb import errors
from shopify_session_storage_dynamodb.batches import GET_ITEMS, Batches, for_each
from shopify_session_storage_dynamodb.client import checked_options, storage_options
from shopify_session_storage_dynamodb.items import (
    Item,
    condition_to_delete,
    condition_to_store,
    item_of,
    key_of,
    read_item,
)
from shopify_session_storage_dynamodb.leases import acquire_lease, release_lease
from shopify_session_storage_dynamodb.table import Table
from shopify_session_storage_dynamodb.time_to_live import check_time_to_live

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{3,255}")


class DynamoDBSessionStorage(BaseSessionStorage):
    """Keeps sessions in a table of DynamoDB.

    A load is one GetItem, a store one PutItem, a delete one DeleteItem, each one round trip. Calls
    that wait for others travel together: up to 100 loads in one BatchGetItem, and 25 stores or
    deletes in one BatchWriteItem, with up to four batches at a time. The ids of ``delete_sessions``
    travel like that, too. A find takes one Query for each MB of the shop's entries in the index,
    which is about 10,000 sessions, and then one BatchGetItem for each 100 sessions, up to eight at
    a time.

    The index follows the table after a moment, usually within a second, so a find may miss a
    session that was just stored. It never returns a session that was deleted or moved to another
    shop.

    Args:
        session_table_name: Name of the table.
        shop_index_name: Name of its global secondary index on ``shop``.
        session: An aioboto3 session with its own credentials and region; None for those that
            aioboto3 finds. The storage makes a client from it, and closes only that client.
        client_options: Options of ``session.client("dynamodb", ...)``, such as ``region_name`` and
            ``endpoint_url``. A ``config`` is added to the one that the storage has.
        create_table: Whether to create the table, billed on demand, if it does not exist.
        consistent_read: Whether loads and finds always see the last write. Reads that may be a
            moment behind cost half as much; the JavaScript adapter reads like that.
        expire_dead: Let DynamoDB delete sessions, offline ones too, this long after both of their
            tokens have expired, by the attribute ``ttl``. Give it a day or more, because clocks
            differ. DynamoDB may take two days longer. It does not delete what the official
            JavaScript adapter writes.
        on_error: ``"log"`` failures of DynamoDB, or ``"raise"`` them.
        timeout: How long a call may take. Each of the SDK's three tries gets less than a third of
            it.

    Raises:
        TypeError: If an argument is of another type, or the client has no such option.
        ValueError: If a name or the endpoint cannot be used.
    """

    backend = "dynamodb"
    conditional_writes = "backend"
    leases = "backend"
    driver_errors = (BotoCoreError, ClientError, OSError)
    # Measured with 2, 4 and 8, on DynamoDB Local as it is and with 5 ms of latency: about as many
    # calls per second with each, and the lowest p99 of loads by 64 callers with this one.
    max_groups: ClassVar[int] = 4
    max_group_items: ClassVar[int] = GET_ITEMS
    # Aiohttp warns of a request with more than 1 MB, in which an é takes six bytes.
    max_group_bytes = 300_000

    @hides_arguments
    def __init__(
        self,
        *,
        session_table_name: str = "shopify_sessions",
        shop_index_name: str = "shop_index",
        session: aioboto3.Session | None = None,
        client_options: Mapping[str, Any] | None = None,
        create_table: bool = False,
        consistent_read: bool = True,
        expire_dead: timedelta | None = None,
        on_error: OnError = "log",
        timeout: timedelta = DEFAULT_TIMEOUT,
    ) -> None:
        super().__init__(on_error=on_error, timeout=timeout)
        self._table = Table(
            _checked_name("session_table_name", session_table_name),
            _checked_name("shop_index_name", shop_index_name),
        )
        if session is not None and not isinstance(session, aioboto3.Session):
            raise TypeError(f"session must be an aioboto3.Session, not {type(session).__name__}")
        self._session = session
        self._options = checked_options(client_options or {}, self._seconds)
        self._create_table = _checked_flag("create_table", create_table)
        self._consistent_read = _checked_flag("consistent_read", consistent_read)
        check_grace(expire_dead)
        self._expire_dead = expire_dead
        self._stack = AsyncExitStack()
        self._client: Any
        self._batches: Batches

    def __repr__(self) -> str:
        return f"<DynamoDBSessionStorage on {self._table.name}>"

    async def _open(self) -> None:
        self._stack = AsyncExitStack()
        session = self._session or aioboto3.Session()
        self._client = await self._stack.enter_async_context(
            session.client("dynamodb", **self._options)
        )
        self._batches = Batches(
            self._client,
            self._table.name,
            consistent=self._consistent_read,
            seconds=self._seconds,
        )
        await self._table.check(self._client, create=self._create_table)
        if self._expire_dead is not None:
            await check_time_to_live(
                self._client, self._table, enable=self._create_table, logger=self._logger
            )

    async def _close(self) -> None:
        await self._stack.aclose()

    def _forget(self) -> None:
        self._stack = AsyncExitStack()
        self._client = None

    async def _ping(self) -> None:
        # No session has this id.
        await self._client.get_item(TableName=self._table.name, Key=key_of("migrations"))

    async def _load(self, ids: Sequence[str]) -> list[Session]:
        return [read_item(item) for item in await self._items(ids)]

    async def _store(self, sessions: Sequence[Session]) -> None:
        items = [self._item_of(session) for session in sessions]
        try:
            if len(items) == 1:
                await self._client.put_item(TableName=self._table.name, Item=items[0])
            else:
                await self._batches.write([{"PutRequest": {"Item": item}} for item in items])
        except ClientError as error:
            failure = error
        else:
            return
        raise self._refused(failure)

    def _item_of(self, session: Session) -> Item:
        return item_of(session, expiry_of(session, self._expire_dead))

    async def _compare_and_store(self, session: Session, expected: Session | None) -> bool:
        try:
            await self._client.put_item(
                TableName=self._table.name,
                Item=self._item_of(session),
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **condition_to_store(expected),
            )
        except ClientError as error:
            failure = error
        else:
            return True
        repeated = errors.was_repeated(failure)
        if errors.code_of(failure) == errors.CONDITION_NOT_MET:
            # Botocore may have sent it again although the first try had taken effect.
            found = failure.response.get("Item")
            return repeated and found is not None and is_same_write(read_item(found), session)
        if repeated and errors.verdict_of(failure) is Verdict.CONFLICT:
            errors.scrub(failure)
            raise errors.WriteInDoubtError(
                f"dynamodb: could not compare and store the session: {errors.describe(failure)}"
            ) from failure
        raise self._refused(failure)

    async def _compare_and_delete(self, expected: Sequence[Session]) -> list[str]:
        return [id for id in await for_each(self._delete_if_same, expected) if id is not None]

    async def _delete_if_same(self, expected: Session) -> str | None:
        """Delete a session if it has the same tokens, or return its id."""
        try:
            await self._client.delete_item(
                TableName=self._table.name,
                Key=key_of(expected.id),
                **condition_to_delete(expected),
            )
        except ClientError as error:
            if errors.code_of(error) != errors.CONDITION_NOT_MET:
                raise
            return expected.id
        return None

    def _refused(self, error: ClientError) -> ClientError | errors.ItemRefusedError:
        """Return what a failed write of sessions raises: the table may refuse them."""
        if errors.code_of(error) != "ValidationException":
            return error
        errors.scrub(error)
        refused = errors.ItemRefusedError(
            f"dynamodb: the table {self._table.name!r} refuses the session (ValidationException); "
            "does it have an index on another attribute?"
        )
        refused.__cause__ = error
        return refused

    async def _delete(self, ids: Sequence[str]) -> None:
        keys = [key_of(id) for id in ids]
        if len(keys) == 1:
            await self._client.delete_item(TableName=self._table.name, Key=keys[0])
        else:
            await self._batches.write([{"DeleteRequest": {"Key": key}} for key in keys])

    async def _find(self, shops: Sequence[str]) -> list[Session]:
        listed = await for_each(self._ids_of, shops)
        items = await self._items(list(dict.fromkeys(id for ids in listed for id in ids)))
        # The index is behind the table, so a session may have moved to another shop.
        wanted = [{"S": shop} for shop in shops]
        return [read_item(item) for item in items if item.get("shop") in wanted]

    async def _scan(self, after: str | None, batch: int) -> SessionPage:
        if after == "":
            raise ValueError("after comes from another kind of storage")
        start = {} if after is None else {"ExclusiveStartKey": key_of(after)}
        answer = await self._client.scan(
            TableName=self._table.name,
            Limit=batch,
            ConsistentRead=self._consistent_read,
            **start,
        )
        items = [(item["id"]["S"], item) for item in answer["Items"]]
        last = answer.get("LastEvaluatedKey")
        return await page_of(_read_scanned, items, None if last is None else last["id"]["S"])

    async def _acquire_lease(self, name: str, holder: str, milliseconds: int) -> bool:
        return await acquire_lease(self._client, self._table.name, name, holder, milliseconds)

    async def _release_lease(self, name: str, holder: str) -> None:
        await release_lease(self._client, self._table.name, name, holder)

    async def _ids_of(self, shop: str) -> list[str]:
        """Return the ids that the index has for *shop*, a MB of its entries at a time."""
        ids: list[str] = []
        query: dict[str, Any] = {
            "TableName": self._table.name,
            "IndexName": self._table.index,
            "KeyConditionExpression": "shop = :shop",
            "ExpressionAttributeValues": {":shop": {"S": shop}},
            "ProjectionExpression": "id",
        }
        while True:
            page = await self._client.query(**query)
            ids += (item["id"]["S"] for item in page["Items"])
            if "LastEvaluatedKey" not in page:
                return list(dict.fromkeys(ids))
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    async def _items(self, ids: Sequence[str]) -> list[Item]:
        """Return what is stored under *ids*, in any order."""
        if len(ids) == 1:
            answer = await self._client.get_item(
                TableName=self._table.name,
                Key=key_of(ids[0]),
                ConsistentRead=self._consistent_read,
            )
            return [answer["Item"]] if "Item" in answer else []
        return await self._batches.get([key_of(id) for id in ids])

    def _verdict(self, error: Exception) -> Verdict:
        return errors.verdict_of(error)

    def _describe(self, error: Exception) -> str:
        described = errors.describe(error)
        if isinstance(error, ClientError) and errors.code_of(error) == errors.NO_TABLE:
            return f"{described}; {self._table.hint()}"
        return described

    def _scrub(self, error: Exception) -> None:
        errors.scrub(error)


def _read_scanned(item: Item, id: str) -> Session | None:
    return read_item(item) if is_session_id(id) else None  # which is a lease


def _checked_name(option: str, name: str) -> str:
    if not isinstance(name, str):
        raise TypeError(f"{option} must be a str, not {type(name).__name__}")
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{option} must have 3 to 255 letters, digits, underscores, hyphens and dots"
        )
    return name


def _checked_flag(option: str, value: bool) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{option} must be a bool, not {type(value).__name__}")
    return value


@hides_arguments
def open_url(url: str, **options: Any) -> DynamoDBSessionStorage:
    """Make the storage for ``dynamodb://region/table?endpoint_url=...``.

    Region and table may be left out. Further parameters are ``shop_index_name`` and
    ``create_table`` (``true`` or ``false``). Do not put credentials in the URL.
    """
    return DynamoDBSessionStorage(**storage_options(url, options))
