"""Batches: of bounded size, a few at a time, and what the service leaves of them sent again."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from shopify_session_storage_dynamodb.errors import CapacityUsedUpError
from shopify_session_storage_dynamodb.items import Item

_T = TypeVar("_T")
_R = TypeVar("_R")

# Limits of the service.
GET_ITEMS: Final = 100
_WRITE_ITEMS: Final = 25

# How many batches of one call are under way at once.
_BATCHES: Final = 8

# What the service leaves of a batch is sent again, after a random pause of up to so many seconds,
# which doubles while nothing is taken off.
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 0.8

# After which share of a call's time without anything taken off it is given up, saying why.
_SHARE: Final = 0.6


class Batches:
    """Reads and writes many items of a table.

    Args:
        client: Client of DynamoDB.
        table: Name of the table.
        consistent: Whether to read what was written last.
        seconds: How long a call may take.
    """

    def __init__(self, client: Any, table: str, *, consistent: bool, seconds: float) -> None:
        self._client = client
        self._table = table
        self._consistent = consistent
        self._patience = seconds * _SHARE

    async def get(self, keys: Sequence[Item]) -> list[Item]:
        """Return the items with these keys, in any order."""
        found = await for_each(self._get_batch, _chunks(keys, GET_ITEMS))
        return [item for items in found for item in items]

    async def write(self, requests: Sequence[Mapping[str, Any]]) -> None:
        """Do what the requests say, each a ``PutRequest`` or a ``DeleteRequest``."""
        await for_each(self._write_batch, _chunks(requests, _WRITE_ITEMS))

    async def _get_batch(self, keys: Sequence[Item]) -> list[Item]:
        items: list[Item] = []
        patience = _Patience(self._patience)
        while True:
            answer = await self._client.batch_get_item(
                RequestItems={self._table: {"Keys": keys, "ConsistentRead": self._consistent}}
            )
            items += answer["Responses"].get(self._table, ())
            left = answer.get("UnprocessedKeys", {}).get(self._table)
            if not left:
                return items
            await patience.pause(len(keys), len(left["Keys"]))
            keys = left["Keys"]

    async def _write_batch(self, requests: Sequence[Mapping[str, Any]]) -> None:
        patience = _Patience(self._patience)
        while True:
            answer = await self._client.batch_write_item(RequestItems={self._table: requests})
            left = answer.get("UnprocessedItems", {}).get(self._table)
            if not left:
                return
            await patience.pause(len(requests), len(left))
            requests = left


class _Patience:
    """Waits before the rest of a batch is sent again, and gives up when nothing moves."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._pause = _FIRST_PAUSE
        self._moved = asyncio.get_running_loop().time()

    async def pause(self, sent: int, left: int) -> None:
        """Wait a moment.

        Raises:
            CapacityUsedUpError: If nothing has been processed for too long.
        """
        now = asyncio.get_running_loop().time()
        if left < sent:
            self._moved, self._pause = now, _FIRST_PAUSE
        elif now - self._moved >= self._seconds:
            raise CapacityUsedUpError(
                f"dynamodb: {left} items of a batch are still unprocessed after "
                f"{self._seconds:g} s; the table's capacity is used up"
            )
        await asyncio.sleep(random.uniform(0, self._pause))  # noqa: S311  # no secret
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)


async def for_each(work: Callable[[_T], Awaitable[_R]], batches: Sequence[_T]) -> list[_R]:
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


def _chunks(values: Sequence[_T], size: int) -> list[Sequence[_T]]:
    return [values[start : start + size] for start in range(0, len(values), size)]
