"""Calls that have to wait travel together.

A call that finds its lane free goes out at once. While as many groups are under way as the lane
allows, further calls wait, and leave together as one group when a place becomes free. That keeps
the latency of a lone call and gives many calls at once the throughput of the backend's plural
operations.

A group that takes long, such as one behind a row that somebody else has locked, holds nobody up
for longer than it must: after a moment it does not count any more, so that another one may leave.
A call that conflicts with another transaction gives its place up until it is tried again.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Final

from shopify_session_storage.failures import OutOfTimeError, Verdict

SLOW_SECONDS: Final = 0.25
"""A group that has been under way for longer does not keep others from leaving."""

_LONGEST_PAUSE: Final = 0.5


class Group:
    """Calls that are under way together.

    Attributes:
        values: What they are about, by key.
        deadline: When they must have ended, by the event loop's clock.
        is_parkable: Whether the lane itself repeats what conflicts.
        began: When they left, by the event loop's clock.
        is_slow: Whether the group does not count any more.
        is_repeated: Whether it is a call that conflicted before.
    """

    __slots__ = ("began", "calls", "deadline", "is_parkable", "is_repeated", "is_slow", "values")

    def __init__(
        self,
        values: dict[str, Any],
        began: float,
        deadline: float,
        calls: "tuple[_Call, ...]" = (),
        *,
        is_parkable: bool = False,
        is_repeated: bool = False,
    ) -> None:
        self.values = values
        self.began = began
        self.deadline = deadline
        self.calls = calls
        self.is_parkable = is_parkable
        self.is_slow = False
        self.is_repeated = is_repeated


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind of call.

    Attributes:
        send: Does the work for a group, returns results by key. A missing result is None.
        share: Makes the result for a further caller that asked for the same key.
        alone: Whether each call goes by itself, also if it had to wait.
        merges: Whether of several values under one key the last one counts for all of them. If
            not, a group has each key once.
    """

    send: Callable[[Group], Awaitable[Mapping[str, Any]]]
    share: Callable[[Any], Any] | None = None
    alone: bool = False
    merges: bool = True


class _Call:
    __slots__ = ("alone", "conflicts", "deadline", "future", "kind", "size", "values")

    def __init__(
        self,
        kind: Kind,
        values: dict[str, Any],
        size: int,
        deadline: float,
        future: asyncio.Future[Any],
    ) -> None:
        self.kind = kind
        self.values = values
        self.size = size
        self.deadline = deadline
        self.future = future
        self.alone = kind.alone
        self.conflicts = 0


class Lane:
    """Sends calls in the order in which they came, in a bounded number of bounded groups.

    Args:
        groups: How many groups may be under way at once.
        slow_groups: How many more, if that many take long.
        items: How many keys a group may have; a single call with more goes alone.
        size: How many bytes a group may have; a larger single call goes alone.
        seconds: How long a call may take, from when it came.
        writes: Whether calls for one key must take effect in order, one after the other, also
            when they are of different kinds. Such a lane never has one key under way twice, and
            what has been sent goes on to its end, also if its caller is cancelled: it may reach
            the backend all the same, and then after the next write of the same session.
        verdict: Tells what an error means.
    """

    def __init__(
        self,
        *,
        groups: int,
        slow_groups: int,
        items: int,
        size: int,
        seconds: float,
        writes: bool,
        verdict: Callable[[Exception], Verdict],
    ) -> None:
        self._groups = groups
        self._slow_groups = slow_groups
        self._items = items
        self._size = size
        self._seconds = seconds
        self._writes = writes
        self._verdict = verdict
        self._under_way: set[Group] = set()
        self._slow = 0
        self._parked = 0
        self._repeated = 0
        self._keys: set[str] = set()
        self._waiting: deque[_Call] = deque()
        # Calls that conflicted, and may be tried again now. Their keys are held all the while.
        self._again: deque[_Call] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._alarm: asyncio.TimerHandle | None = None
        self._drained: asyncio.Future[None] | None = None

    async def call(self, kind: Kind, values: dict[str, Any], size: int = 0) -> Mapping[str, Any]:
        """Do what *kind* does for *values*, alone or together with other calls.

        Cancelling a read that goes alone cancels its work; a call that waits is not sent; one
        that has left is not heard of any more, and goes on.

        Raises:
            OutOfTimeError: If it has not ended within the lane's time.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not self._writes and not self._waiting and self._has_place():
            group = Group(values, now, now + self._seconds)
            self._enter(group)
            try:
                return await kind.send(group)
            finally:
                self._leave(group)
        call = _Call(kind, values, size, now + self._seconds, loop.create_future())
        self._waiting.append(call)
        # A place may be free all the same: a waiting call can be held back by its key alone.
        self._fill(loop)
        timer = loop.call_at(call.deadline, _run_out, call.future)
        try:
            results: Mapping[str, Any] = await call.future
        finally:
            timer.cancel()
        return results

    async def drain(self) -> None:
        """Wait until nothing is under way or waiting."""
        while not self._is_idle():
            if self._drained is None:
                self._drained = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._drained)

    def _is_idle(self) -> bool:
        return not (self._under_way or self._waiting or self._again or self._parked)

    def _has_place(self) -> bool:
        return len(self._under_way) - self._slow < self._groups

    def _enter(self, group: Group) -> None:
        self._under_way.add(group)
        if self._writes:
            self._keys.update(group.values)

    def _leave(self, group: Group, *, keeps_keys: bool = False) -> None:
        self._under_way.discard(group)
        self._slow -= group.is_slow
        self._repeated -= group.is_repeated
        if self._writes and not keeps_keys:
            self._keys.difference_update(group.values)
        self._go_on()

    def _go_on(self) -> None:
        if self._waiting or self._again:
            self._fill(asyncio.get_running_loop())
        if self._drained is not None and self._is_idle():
            self._drained.set_result(None)
            self._drained = None

    def _fill(self, loop: asyncio.AbstractEventLoop) -> None:
        """Send groups while there is a place for one."""
        while self._has_place():
            calls: list[_Call] = []
            # What conflicted has one place of its own, and else those that the others leave.
            if not self._repeated:
                calls = self._next_repeated()
            repeated = bool(calls)
            calls = calls or self._next_calls()
            if not calls:
                calls = self._next_repeated()
                repeated = bool(calls)
            if not calls:
                return
            values = {key: value for call in calls for key, value in call.values.items()}
            group = Group(
                values,
                loop.time(),
                calls[-1].deadline,
                tuple(calls),
                is_parkable=self._writes,
                is_repeated=repeated,
            )
            self._repeated += repeated
            self._enter(group)
            # In a context of its own: it works for several callers, and shows none of them.
            task = loop.create_task(self._run(group), context=Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        waits = self._waiting or self._again
        if waits and self._alarm is None and self._slow < self._slow_groups:
            self._alarm = loop.call_later(SLOW_SECONDS, self._look_for_slow, loop)

    def _look_for_slow(self, loop: asyncio.AbstractEventLoop) -> None:
        self._alarm = None
        latest = loop.time() - SLOW_SECONDS
        for group in self._under_way:
            if not group.is_slow and group.began <= latest and self._slow < self._slow_groups:
                group.is_slow = True
                self._slow += 1
        self._fill(loop)

    def _next_repeated(self) -> list[_Call]:
        while self._again:
            call = self._again.popleft()
            if not call.future.done():
                return [call]
            self._keys.difference_update(call.values)
        return []

    def _next_calls(self) -> list[_Call]:
        """Take the calls that leave next: of one kind, and none overtaking one for the same key."""
        calls: list[_Call] = []
        kept: list[_Call] = []
        held = set(self._keys)
        keys: set[str] = set()
        size = 0
        while self._waiting:
            call = self._waiting.popleft()
            if call.future.done():  # its caller has been cancelled, or has run out of time
                continue
            if (self._writes and not held.isdisjoint(call.values)) or (
                calls and not _may_join(call, calls[0], keys)
            ):
                if not self._writes:
                    kept.append(call)
                    break
                held.update(call.values)
                kept.append(call)
                continue
            size += call.size
            count = len(keys) + sum(key not in keys for key in call.values)
            if calls and (count > self._items or size > self._size):
                kept.append(call)
                break
            keys.update(call.values)
            calls.append(call)
            if call.alone:
                break
        self._waiting.extendleft(reversed(kept))
        return calls

    async def _run(self, group: Group) -> None:
        parks = False
        try:
            parks = await self._send(group)
        except asyncio.CancelledError:
            for call in group.calls:
                call.future.cancel()
            raise
        except BaseException as error:
            _fail(group.calls, error)
            raise
        finally:
            self._leave(group, keeps_keys=parks)

    async def _send(self, group: Group) -> bool:
        """Send a group, settle its calls, and tell whether its call is parked."""
        try:
            results = await group.calls[0].kind.send(group)
        except Exception as error:
            failure = error
        else:
            _settle(group.calls, results)
            return False
        verdict = self._verdict(failure)
        if verdict in (Verdict.DATA, Verdict.CONFLICT):
            kind = group.calls[0].kind
            # Those who share one result would all get the same error again.
            if len(group.calls) > 1 and not (kind.share is not None and len(group.values) == 1):
                for call in group.calls:
                    call.alone = True
                self._waiting.extendleft(reversed(group.calls))
                return False
            if verdict is Verdict.CONFLICT and group.is_parkable and self._park(group):
                return True
        _fail(group.calls, failure)
        return False

    def _park(self, group: Group) -> bool:
        """Try a call again in a moment, if there is time. Until then it keeps its key alone."""
        loop = asyncio.get_running_loop()
        (call,) = group.calls
        pause = random.uniform(0.25, 1) * min(_LONGEST_PAUSE, 0.02 * 2**call.conflicts)  # noqa: S311
        if call.future.done() or loop.time() + pause >= call.deadline:
            return False
        call.conflicts += 1
        self._parked += 1
        loop.call_later(pause, self._unpark, group)
        return True

    def _unpark(self, group: Group) -> None:
        self._parked -= 1
        self._again.extend(group.calls)
        self._go_on()


def _may_join(call: _Call, first: _Call, keys: set[str]) -> bool:
    if call.alone or call.kind is not first.kind:
        return False
    return call.kind.merges or keys.isdisjoint(call.values)


def _run_out(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_exception(OutOfTimeError())


def _settle(calls: tuple[_Call, ...], results: Mapping[str, Any]) -> None:
    given: set[str] = set()
    for call in calls:
        share = call.kind.share
        result = results
        if share is not None:
            if given.isdisjoint(call.values):
                given.update(call.values)
            else:
                result = {
                    key: share(results[key]) for key in call.values if results.get(key) is not None
                }
        if not call.future.done():
            call.future.set_result(result)


def _fail(calls: tuple[_Call, ...], error: BaseException) -> None:
    for call in calls:
        if not call.future.done():
            call.future.set_exception(error)
