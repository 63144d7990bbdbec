"""Sessions in DynamoDB, in the layout of Shopify's official JavaScript adapter."""

import asyncio
import inspect
import random
import re
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, ClassVar, Final, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import aioboto3
from aiobotocore.config import AioConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from shopify_session_storage import (
    BaseSessionStorage,
    OnError,
    Session,
    SessionStorageError,
    SessionStorageUnavailableError,
)
from shopify_session_storage.base import to_the_end
from shopify_session_storage.stored import has_same_tokens

from shopify_session_storage_dynamodb import errors
from shopify_session_storage_dynamodb.items import (
    Item,
    item_of,
    key_of,
    lease_key_of,
    lease_of,
    read_item,
)
from shopify_session_storage_dynamodb.table import Table

_T = TypeVar("_T")
_R = TypeVar("_R")

# Differs from botocore's own, which waits a minute for an answer. In seconds: a host that does not
# answer is given up before the caller's own request is. Botocore repeats what is lost, throttled
# or failed on the server's side, after a random pause of up to a second, then of up to two.
# Items need no second check, whose errors would show them.
_CONFIG: Final = AioConfig(
    connect_timeout=5,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=50,
    parameter_validation=False,
)

# Limits of the service.
_GET_ITEMS: Final = 100
_WRITE_ITEMS: Final = 25

# The code of the error for a write whose condition is not met.
_NOT_MET: Final = "ConditionalCheckFailedException"

# How many batches of one call are under way at once.
_BATCHES: Final = 8

# What the service leaves of a batch is sent again, after a random pause of up to the first of these
# seconds, and of up to the next ones while nothing is taken off.
_PAUSES: Final = tuple(0.05 * 2**n for n in range(6))

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_REGION: Final = re.compile(r"[a-z0-9-]+")


class ItemRefusedError(SessionStorageError):
    """The table does not take an item, such as for the types of another index of its own."""


class DynamoDBSessionStorage(BaseSessionStorage):
    """Keeps sessions in a table of DynamoDB.

    A load is one GetItem, a store one PutItem, a delete one DeleteItem, each one round trip. Calls
    that wait for others travel together: up to 100 loads in one BatchGetItem, stores and deletes
    in BatchWriteItems of 25, four at a time; so do the ids of ``delete_sessions``. A find is one
    Query for each MB of the shop's entries in the index, about 10,000 sessions, and then one
    BatchGetItem for each 100 sessions, eight at a time.

    The index follows the table after a moment, mostly within a second, so a find may miss a
    session that was just stored. It never returns one that is deleted or moved to another shop.

    A write that has been sent is waited for, also if its caller is cancelled: it could otherwise
    reach the table after the next write of the same session.

    Args:
        session_table_name: Name of the table.
        shop_index_name: Name of its global secondary index on ``shop``.
        session: An aioboto3 session, with credentials and region of its own; without one, those
            that aioboto3 finds. The storage makes a client of it, and closes that alone.
        client_options: Options of ``session.client("dynamodb", ...)``, such as ``region_name`` and
            ``endpoint_url``. A ``config`` is added to the one that the storage has.
        create_table: Whether to create the table, billed on demand, if it does not exist.
        consistent_read: Whether loads and finds read what was written last. DynamoDB charges half
            for reads that may be a moment behind, which is what the JavaScript adapter does.
        on_error: ``"log"`` failures of DynamoDB, or ``"raise"`` them.

    Raises:
        TypeError: If an argument is of another type, or the client has no such option.
        ValueError: If a name or the endpoint is not usable.
    """

    backend = "dynamodb"
    conditional_writes = "backend"
    leases = "backend"
    driver_errors = (BotoCoreError, ClientError, OSError)
    # None: botocore repeats by itself what a connection has lost.
    connection_errors = ()
    data_errors = (ItemRefusedError,)
    # Measured with 2, 4 and 8, on DynamoDB Local as it is and with 5 ms of latency: about as many
    # calls per second with each, and the lowest p99 of loads by 64 callers with this one.
    max_groups: ClassVar[int] = 4
    max_group_items: ClassVar[int] = _GET_ITEMS
    # Aiohttp warns of a request with more than 1 MB, in which an é takes six bytes.
    max_group_bytes = 300_000

    def __init__(
        self,
        *,
        session_table_name: str = "shopify_sessions",
        shop_index_name: str = "shop_index",
        session: aioboto3.Session | None = None,
        client_options: Mapping[str, Any] | None = None,
        create_table: bool = False,
        consistent_read: bool = True,
        on_error: OnError = "log",
    ) -> None:
        super().__init__(on_error=on_error)
        self._table = Table(
            _checked_name("session_table_name", session_table_name),
            _checked_name("shop_index_name", shop_index_name),
        )
        if session is not None and not isinstance(session, aioboto3.Session):
            raise TypeError(f"session must be an aioboto3.Session, not {type(session).__name__}")
        self._session = session
        self._options = _checked_options(client_options or {})
        self._create_table = _checked_flag("create_table", create_table)
        self._consistent_read = _checked_flag("consistent_read", consistent_read)
        self._stack = AsyncExitStack()
        self._client: Any

    def __repr__(self) -> str:
        return f"<DynamoDBSessionStorage on {self._table.name}>"

    # --- connections ------------------------------------------------------------------------

    async def _open(self) -> None:
        self._stack = AsyncExitStack()
        session = self._session or aioboto3.Session()
        self._client = await self._stack.enter_async_context(
            session.client("dynamodb", **self._options)
        )
        await self._table.check(self._client, create=self._create_table)

    async def _close(self) -> None:
        await self._stack.aclose()

    async def _ping(self) -> None:
        # No session has this id.
        await self._client.get_item(TableName=self._table.name, Key=key_of("migrations"))

    # --- data -------------------------------------------------------------------------------

    async def _load(self, ids: Sequence[str]) -> list[Session]:
        return [read_item(item) for item in await self._items(ids)]

    async def _store(self, sessions: Sequence[Session]) -> None:
        await self._sent(self._put([item_of(session) for session in sessions]))

    async def _compare_and_store(self, session: Session, expected: Session | None) -> bool:
        return await self._sent(self._put_if_same(session, expected))

    async def _sent(self, write: Coroutine[Any, Any, _T]) -> _T:
        """Do a write of sessions, and tell if the table refuses them."""
        refused: ClientError
        try:
            return await to_the_end(write)
        except ClientError as error:
            if errors.code_of(error) != "ValidationException":
                raise
            refused = error
        errors.scrub(refused)
        raise ItemRefusedError(
            f"dynamodb: the table {self._table.name!r} refuses the session (ValidationException); "
            "does it have an index on another attribute?"
        ) from refused

    async def _delete(self, ids: Sequence[str]) -> None:
        await to_the_end(self._remove([key_of(id) for id in ids]))

    async def _find(self, shops: Sequence[str]) -> list[Session]:
        listed = await _for_each(self._ids_of, shops)
        items = await self._items(list(dict.fromkeys(id for ids in listed for id in ids)))
        # The index is behind the table, so a session may have moved to another shop.
        wanted = [{"S": shop} for shop in shops]
        return [read_item(item) for item in items if item.get("shop") in wanted]

    async def _put(self, items: Sequence[Item]) -> None:
        if len(items) == 1:
            await self._client.put_item(TableName=self._table.name, Item=items[0])
        else:
            await self._write([{"PutRequest": {"Item": item}} for item in items])

    async def _put_if_same(self, session: Session, expected: Session | None) -> bool:
        try:
            await self._client.put_item(
                TableName=self._table.name,
                Item=item_of(session),
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **_condition(expected),
            )
        except ClientError as error:
            if errors.code_of(error) != _NOT_MET:
                raise
            # Botocore may have sent it again although the first try had taken effect.
            repeated = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0) > 0
            found = error.response.get("Item")
        else:
            return True
        return repeated and found is not None and has_same_tokens(read_item(found), session)

    async def _acquire_lease(self, name: str, holder: str, milliseconds: int) -> bool:
        return await to_the_end(self._put_lease(name, holder, milliseconds))

    async def _put_lease(self, name: str, holder: str, milliseconds: int) -> bool:
        now = time.time_ns() // 1_000_000  # DynamoDB shows no clock of its own
        try:
            await self._client.put_item(
                TableName=self._table.name,
                Item=lease_of(name, holder, now + milliseconds),
                ConditionExpression=(
                    "attribute_not_exists(id) OR holder = :holder OR leaseExpires <= :now"
                ),
                ExpressionAttributeValues={":holder": {"S": holder}, ":now": {"N": str(now)}},
            )
        except ClientError as error:
            if errors.code_of(error) != _NOT_MET:
                raise
            return False
        return True

    async def _release_lease(self, name: str, holder: str) -> None:
        await to_the_end(self._delete_lease(name, holder))

    async def _delete_lease(self, name: str, holder: str) -> None:
        try:
            await self._client.delete_item(
                TableName=self._table.name,
                Key=lease_key_of(name),
                ConditionExpression="holder = :holder",
                ExpressionAttributeValues={":holder": {"S": holder}},
            )
        except ClientError as error:
            if errors.code_of(error) != _NOT_MET:
                raise

    async def _remove(self, keys: Sequence[Item]) -> None:
        if len(keys) == 1:
            await self._client.delete_item(TableName=self._table.name, Key=keys[0])
        else:
            await self._write([{"DeleteRequest": {"Key": key}} for key in keys])

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
        batches = _chunks([key_of(id) for id in ids], _GET_ITEMS)
        found = await _for_each(self._get_batch, batches)
        return [item for items in found for item in items]

    # --- batches ----------------------------------------------------------------------------

    async def _get_batch(self, keys: Sequence[Item]) -> list[Item]:
        items: list[Item] = []
        patience = _Patience()
        while True:
            answer = await self._client.batch_get_item(
                RequestItems={
                    self._table.name: {"Keys": keys, "ConsistentRead": self._consistent_read}
                }
            )
            items += answer["Responses"].get(self._table.name, ())
            left = answer.get("UnprocessedKeys", {}).get(self._table.name)
            if not left:
                return items
            await patience.pause(len(keys), len(left["Keys"]))
            keys = left["Keys"]

    async def _write(self, requests: Sequence[Mapping[str, Any]]) -> None:
        await _for_each(self._write_batch, _chunks(requests, _WRITE_ITEMS))

    async def _write_batch(self, requests: Sequence[Mapping[str, Any]]) -> None:
        patience = _Patience()
        while True:
            answer = await self._client.batch_write_item(RequestItems={self._table.name: requests})
            left = answer.get("UnprocessedItems", {}).get(self._table.name)
            if not left:
                return
            await patience.pause(len(requests), len(left))
            requests = left

    # --- errors -----------------------------------------------------------------------------

    def _describe(self, error: Exception) -> str:
        described = errors.describe(error)
        if isinstance(error, ClientError) and errors.code_of(error) == "ResourceNotFoundException":
            return f"{described}; {self._table.hint()}"
        return described

    def _scrub(self, error: Exception) -> None:
        errors.scrub(error)


class _Patience:
    """Waits before the rest of a batch is sent again, and gives up when nothing moves."""

    def __init__(self) -> None:
        self._in_vain = 0

    async def pause(self, sent: int, left: int) -> None:
        """Wait a moment.

        Raises:
            SessionStorageUnavailableError: If nothing of several batches has been processed.
        """
        self._in_vain = 0 if left < sent else self._in_vain + 1
        if self._in_vain > len(_PAUSES):
            raise SessionStorageUnavailableError(
                f"dynamodb: {left} items of a batch are still unprocessed after {self._in_vain} "
                "attempts; the table's capacity is used up"
            )
        longest = _PAUSES[max(self._in_vain - 1, 0)]
        await asyncio.sleep(random.uniform(0, longest))  # noqa: S311  # no secret


async def _for_each(work: Callable[[_T], Awaitable[_R]], batches: Sequence[_T]) -> list[_R]:
    """Do *work* for each batch, a few at a time, and return the results in any order.

    After an error no further batch begins; it is raised when none is under way any more.
    """
    results: list[_R] = []
    failures: list[Exception] = []
    remaining = iter(batches)

    async def worker() -> None:
        for batch in remaining:
            try:
                results.append(await work(batch))
            except Exception as error:
                failures.append(error)
            if failures:
                return

    await asyncio.gather(*(worker() for _ in batches[:_BATCHES]))
    if failures:
        raise failures[0]
    return results


def _condition(expected: Session | None) -> dict[str, Any]:
    """Return the condition that what is stored has the tokens of *expected*, or is not there."""
    if expected is None:
        return {"ConditionExpression": "attribute_not_exists(id)"}
    conditions, values = ["attribute_exists(id)"], {}
    tokens = {"accessToken": expected.access_token, "refreshToken": expected.refresh_token}
    for name, token in tokens.items():
        if token is None:
            # Other programs may write the type NULL.
            conditions.append(f"(attribute_not_exists({name}) OR attribute_type({name}, :null))")
            values[":null"] = {"S": "NULL"}
        else:
            conditions.append(f"{name} = :{name}")
            values[f":{name}"] = {"S": token}
    return {
        "ConditionExpression": " AND ".join(conditions),
        "ExpressionAttributeValues": values,
    }


def _chunks(values: Sequence[_T], size: int) -> list[Sequence[_T]]:
    return [values[start : start + size] for start in range(0, len(values), size)]


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


def _checked_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the client, with our configuration. Messages show no value."""
    checked = dict(options)
    inspect.signature(aioboto3.Session.client).bind(None, "dynamodb", **checked)
    config = checked.get("config")
    if config is not None and not isinstance(config, Config):
        raise TypeError(f"config must be a botocore Config, not {type(config).__name__}")
    # Twice, because what a Config of aiobotocore has beyond botocore's stays that of the left one.
    checked["config"] = _CONFIG if config is None else config.merge(_CONFIG).merge(config)
    if checked.get("endpoint_url") is not None:
        _check_endpoint(checked["endpoint_url"])
    return checked


def _check_endpoint(endpoint_url: str) -> None:
    if not isinstance(endpoint_url, str):
        raise TypeError(f"endpoint_url must be a str, not {type(endpoint_url).__name__}")
    try:
        parts = urlsplit(endpoint_url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        usable = usable and "@" not in parts.netloc
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("endpoint_url must be http://host:port or https://host:port")


_FLAGS: Final = {"true": True, "false": False}


def open_url(url: str, **options: Any) -> DynamoDBSessionStorage:
    """Make the storage for ``dynamodb://region/table?endpoint_url=...``.

    Region and table may be left out. Further parameters are ``shop_index_name`` and
    ``create_table`` (``true`` or ``false``). Credentials do not belong into the URL.
    """
    try:
        parts = urlsplit(url)
        parameters = parse_qsl(
            parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)
        )
        region, table, port = parts.netloc, unquote(parts.path[1:]), parts.port
    except ValueError:
        raise ValueError("the DynamoDB URL is malformed") from None
    # Messages show no part of the URL, in which there may be credentials all the same.
    if port is not None or parts.fragment or (region and not _REGION.fullmatch(region)):
        raise ValueError("a DynamoDB URL is dynamodb://region/table?endpoint_url=...")
    client_options = dict(options.pop("client_options", None) or {})
    if region:
        client_options["region_name"] = region
    if table:
        options["session_table_name"] = table
    for name, value in parameters:
        if name == "endpoint_url":
            client_options[name] = value
        elif name == "shop_index_name":
            options[name] = value
        elif name == "create_table" and value in _FLAGS:
            options[name] = _FLAGS[value]
        else:
            raise ValueError(
                "the parameters of a DynamoDB URL are endpoint_url, shop_index_name and "
                "create_table=true or false"
            )
    return DynamoDBSessionStorage(client_options=client_options, **options)
