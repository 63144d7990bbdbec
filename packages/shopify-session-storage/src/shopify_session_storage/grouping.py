"""Calls that have to wait travel together.

A call that finds its lane free goes out at once, in the caller's own task. While as many groups
are under way as the lane allows, further calls wait, and leave together as one group when a place
becomes free. That keeps the latency of a lone call and gives many calls at once the throughput of
the backend's plural operations.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind of call.

    Attributes:
        send: Does the work for a group: takes values by key, returns results by key. Of several
            values under one key the last one counts. A missing result is None.
        share: Makes the result for a further caller that asked for the same key.
        alone: Whether each call goes by itself, also if it had to wait.
    """

    send: Callable[[dict[str, Any]], Awaitable[Mapping[str, Any]]]
    share: Callable[[Any], Any] | None = None
    alone: bool = False


class _Call:
    __slots__ = ("future", "kind", "size", "values")

    def __init__(
        self, kind: Kind, values: dict[str, Any], size: int, future: asyncio.Future[Any]
    ) -> None:
        self.kind = kind
        self.values = values
        self.size = size
        self.future = future


class Lane:
    """Sends calls in the order in which they came, in a bounded number of bounded groups.

    Args:
        groups: How many groups may be under way at once.
        items: How many keys a group may have; a single call with more goes alone.
        size: How many bytes a group may have; a larger single call goes alone.
        ordered: Whether calls for one key must take effect in order, one after the other, also
            when they are of different kinds. Such a lane never has one key under way twice.
        isolate: The errors that may be the fault of a single call. A group that fails with one
            is sent again call by call, so that only the call at fault fails.
    """

    def __init__(
        self,
        *,
        groups: int,
        items: int,
        size: int,
        ordered: bool,
        isolate: tuple[type[Exception], ...],
    ) -> None:
        self._groups = groups
        self._items = items
        self._size = size
        self._ordered = ordered
        self._isolate = isolate
        self._under_way = 0
        self._keys: set[str] = set()
        self._waiting: deque[_Call] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._drained: asyncio.Future[None] | None = None

    async def call(self, kind: Kind, values: dict[str, Any], size: int = 0) -> Mapping[str, Any]:
        """Do what *kind* does for *values*, alone or together with other calls.

        Cancelling a call that goes alone cancels its work; one that waits is not sent; one that
        has left in a group is not heard of any more, and the group goes on.
        """
        if (
            self._under_way < self._groups
            and not self._waiting
            and not (self._ordered and not self._keys.isdisjoint(values))
        ):
            self._enter(values)
            try:
                return await kind.send(values)
            finally:
                self._leave(values)
        call = _Call(kind, values, size, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        # A place may be free all the same: a waiting call can be held back by its key alone.
        self._fill()
        results: Mapping[str, Any] = await call.future
        return results

    async def drain(self) -> None:
        """Wait until nothing is under way or waiting."""
        while self._under_way or self._waiting:
            if self._drained is None:
                self._drained = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._drained)

    def _enter(self, values: dict[str, Any]) -> None:
        self._under_way += 1
        if self._ordered:
            self._keys.update(values)

    def _leave(self, values: dict[str, Any]) -> None:
        self._under_way -= 1
        if self._ordered:
            self._keys.difference_update(values)
        if self._waiting:
            self._fill()
        if self._drained is not None and not self._under_way and not self._waiting:
            self._drained.set_result(None)
            self._drained = None

    def _fill(self) -> None:
        """Send groups while there is a place for one."""
        while self._waiting and self._under_way < self._groups:
            group = self._next_group()
            if not group:
                return
            values = {key: value for call in group for key, value in call.values.items()}
            self._enter(values)
            task = asyncio.get_running_loop().create_task(self._run(group, values))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _next_group(self) -> list[_Call]:
        """Take the calls that leave next: of one kind, and none overtaking one for the same key."""
        group: list[_Call] = []
        kept: list[_Call] = []
        held = set(self._keys)
        keys: set[str] = set()
        size = 0
        while self._waiting:
            call = self._waiting.popleft()
            if call.future.done():  # its caller has been cancelled
                continue
            if self._ordered and (
                not held.isdisjoint(call.values) or (group and call.kind is not group[0].kind)
            ):
                held.update(call.values)
                kept.append(call)
                continue
            size += call.size
            count = len(keys) + sum(key not in keys for key in call.values)
            if group and (count > self._items or size > self._size):
                kept.append(call)
                break
            keys.update(call.values)
            group.append(call)
            if call.kind.alone:
                break
        self._waiting.extendleft(reversed(kept))
        return group

    async def _run(self, group: Sequence[_Call], values: dict[str, Any]) -> None:
        try:
            await self._send(group, values)
        except asyncio.CancelledError:
            for call in group:
                call.future.cancel()
            raise
        except BaseException as error:
            _fail(group, error)
            raise
        finally:
            self._leave(values)

    async def _send(self, group: Sequence[_Call], values: dict[str, Any]) -> None:
        kind = group[0].kind
        try:
            results = await kind.send(values)
        except self._isolate as error:
            # Those who share one result would all get the same error again.
            if len(group) == 1 or (kind.share is not None and len(values) == 1):
                _fail(group, error)
                return
        except Exception as error:
            _fail(group, error)
            return
        else:
            given: set[str] = set()
            for call in group:
                if kind.share is None or given.isdisjoint(call.values):
                    _settle(call, results)
                    given.update(call.values)
                else:
                    _settle(
                        call,
                        {
                            key: kind.share(results[key])
                            for key in call.values
                            if results.get(key) is not None
                        },
                    )
            return
        # Not inside the handler: the group's error may show what belongs to others, and would
        # become the context of a caller's own.
        await self._send_one_by_one(group)

    async def _send_one_by_one(self, group: Sequence[_Call]) -> None:
        for index, call in enumerate(group):
            if call.future.done():
                continue
            try:
                _settle(call, await call.kind.send(call.values))
            except self._isolate as error:
                _fail([call], error)
            except Exception as error:
                _fail(group[index:], error)
                return


def _settle(call: _Call, results: Mapping[str, Any]) -> None:
    if not call.future.done():
        call.future.set_result(results)


def _fail(calls: Sequence[_Call], error: BaseException) -> None:
    for call in calls:
        if not call.future.done():
            call.future.set_exception(error)
