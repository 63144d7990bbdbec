"""Calls that have to wait travel together.

A call that finds its lane empty goes out at once. While others are under way, calls wait for the
end of the event loop's turn, so that all who are about to call have done so, and leave in groups
of about equal numbers of calls, as many groups at once as the lane allows. That keeps the latency
of a lone call, gives many calls at once the throughput of the backend's plural operations, and
lets backend and client work at the same time: beside a small group the rest would make a large
one, and they would wait for one another in turn.

A group that takes long, such as one behind a row that somebody else has locked, holds nobody up
for longer than it must: after a moment it does not count any more, so that another one may leave.
A call that conflicts with another transaction gives its place up until it is tried again.
"""

import asyncio
import math
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from functools import partial
from typing import Any, Final

from shopify_session_storage.choosing import next_calls
from shopify_session_storage.events import NOBODYS, Watch, is_watched
from shopify_session_storage.failures import OutOfTimeError, Verdict
from shopify_session_storage.groups import Call, Group, Kind, fail, settle

SLOW_SECONDS: Final = 0.25
"""A group that has been under way for longer does not keep others from leaving."""

_LONGEST_PAUSE: Final = 0.5


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
        self._parked: set[Call] = set()
        self._repeated = 0
        self._keys: set[str] = set()
        self._waiting: deque[Call] = deque()
        # Calls that conflicted, and may be tried again now. Their keys are held all the while.
        self._again: deque[Call] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._filling: asyncio.Handle | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._drained: asyncio.Future[None] | None = None

    def call(
        self, kind: Kind, values: dict[str, Any], size: int = 0, *, watch: Watch = NOBODYS
    ) -> Awaitable[Mapping[str, Any]]:
        """Do what *kind* does for *values*, alone or together with other calls.

        Cancelling a read that goes alone cancels its work; a call that waits is not sent; one
        that has left is not heard of any more, and goes on.

        Returns:
            What has the results, and is to be awaited at once. It raises an OutOfTimeError if
            there are none within the lane's time.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        deadline = now + self._seconds
        if self._sweeper is None:
            self._sweeper = loop.call_at(deadline, self._sweep, loop)
        lone = self._filling is None and not self._waiting and len(self._under_way) == self._slow
        if lone and not self._writes:
            group = Group(values, now, deadline)
            group.works_in(_current_task(loop))
            self._under_way.add(group)
            watch.group_size = 1
            return self._send_alone(kind, group)
        call = Call(kind, values, size, deadline, loop.create_future(), watch)
        if lone and self._keys.isdisjoint(values):
            self._launch(loop, Group(values, now, deadline, (call,)))
        else:
            self._waiting.append(call)
            self._fill_soon(loop)
        return call.future

    async def _send_alone(self, kind: Kind, group: Group) -> Mapping[str, Any]:
        try:
            return await kind.send(group)
        finally:
            self._leave(group)

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

    def _launch(self, loop: asyncio.AbstractEventLoop, group: Group) -> None:
        """Send a group, in a context of its own: it works for several callers and shows none."""
        self._under_way.add(group)
        self._repeated += group.is_repeated
        if is_watched():
            for call in group.calls:
                call.watch.group_size = len(group.calls)
        if self._writes:
            self._keys.update(group.values)
        task = Context().run(loop.create_task, self._run(group))
        group.works_in(task)
        self._tasks.add(task)
        task.add_done_callback(partial(self._landed, group))

    def _landed(self, group: Group, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if group in self._under_way:  # cancelled before it had begun, so that nothing was sent
            for call in group.calls:
                call.future.cancel()
            self._leave(group)

    def _leave(self, group: Group, *, keeps_keys: bool = False) -> None:
        self._under_way.discard(group)
        self._slow -= group.is_slow
        self._repeated -= group.is_repeated
        if self._writes and not keeps_keys:
            self._keys.difference_update(group.values)
        if self._filling is not None:
            # Its callers may call again, and they are to be counted.
            self._filling.cancel()
            self._filling = None
        self._go_on(returning=len(group.calls) > 1)

    def _go_on(self, *, returning: bool = False) -> None:
        if self._waiting or self._again or returning:
            self._fill_soon(asyncio.get_running_loop())
        self._tell_if_drained()

    def _tell_if_drained(self) -> None:
        if self._drained is not None and self._is_idle():
            self._drained.set_result(None)
            self._drained = None

    def _fill_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        """Send groups at the end of the event loop's turn, if there is a place for one."""
        if self._filling is None:
            if self._has_place():
                self._filling = loop.call_soon(self._fill, loop)
            else:
                self._watch(loop)

    def _fill(self, loop: asyncio.AbstractEventLoop) -> None:
        """Send groups while there is a place for one."""
        self._filling = None
        while self._has_place():
            # What conflicted has one place of its own, and else those that the others leave.
            calls, values = ([], {}) if self._repeated else self._next_repeated()
            repeated = bool(calls)
            if not calls:
                calls, values = next_calls(
                    self._waiting,
                    held=self._keys,
                    room=self._share(),
                    items=self._items,
                    size=self._size,
                    may_overtake=self._writes,
                )
            if not calls:
                calls, values = self._next_repeated()
                repeated = bool(calls)
            if not calls:
                # What waits is held back by its keys, or its callers have been cancelled.
                self._tell_if_drained()
                return
            deadline = calls[-1].deadline
            self._launch(loop, Group(values, loop.time(), deadline, calls, is_repeated=repeated))
        if self._waiting or self._again:
            self._watch(loop)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look in a moment whether a group is slow, while calls wait for a place."""
        if self._alarm is None and self._slow < self._slow_groups:
            self._alarm = loop.call_later(SLOW_SECONDS, self._look_for_slow, loop)

    def _look_for_slow(self, loop: asyncio.AbstractEventLoop) -> None:
        self._alarm = None
        latest = loop.time() - SLOW_SECONDS
        for group in self._under_way:
            if not group.is_slow and group.began <= latest and self._slow < self._slow_groups:
                group.is_slow = True
                self._slow += 1
        self._fill(loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """End what has run out of time. One timer serves all calls: they all have the same time."""
        self._sweeper = None
        now = loop.time()
        next_deadline = math.inf
        under_way = [call for group in self._under_way for call in group.calls]
        for call in (*under_way, *self._waiting, *self._again, *self._parked):
            if call.future.done():
                continue
            if call.deadline <= now:
                call.future.set_exception(call.conflict or OutOfTimeError())
            else:
                next_deadline = min(next_deadline, call.deadline)
        for group in self._under_way:
            if not group.is_over:
                if group.deadline <= now:
                    group.end()
                else:
                    next_deadline = min(next_deadline, group.deadline)
        if next_deadline < math.inf:
            self._sweeper = loop.call_at(next_deadline, self._sweep, loop)

    def _next_repeated(self) -> tuple[list[Call], dict[str, Any]]:
        while self._again:
            call = self._again.popleft()
            if not call.future.done():
                return [call], call.values
            self._keys.difference_update(call.values)
        return [], {}

    def _share(self) -> int:
        """Return how many calls a group has if each has as many, those under way included."""
        sent = sum(len(group.calls) or 1 for group in self._under_way if not group.is_slow)
        return -(-(len(self._waiting) + sent) // self._groups)

    async def _run(self, group: Group) -> None:
        parks = False
        try:
            parks = await self._send(group)
        except asyncio.CancelledError:
            for call in group.calls:
                call.future.cancel()
            raise
        except BaseException as error:
            fail(group.calls, error)
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
            settle(group, results)
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
            if verdict is Verdict.CONFLICT and self._writes and self._park(group, failure):
                return True
        fail(group.calls, failure)
        return False

    def _park(self, group: Group, conflict: Exception) -> bool:
        """Try a call again in a moment, if there is time. Until then it keeps its key alone."""
        loop = asyncio.get_running_loop()
        (call,) = group.calls
        pause = random.uniform(0.25, 1) * min(_LONGEST_PAUSE, 0.02 * 2**call.conflicts)  # noqa: S311
        if call.future.done() or loop.time() + pause >= call.deadline:
            return False
        call.conflicts += 1
        call.conflict = conflict
        self._parked.add(call)
        loop.call_later(pause, self._unpark, call)
        return True

    def _unpark(self, call: Call) -> None:
        self._parked.discard(call)
        self._again.append(call)
        self._go_on()


def _current_task(loop: asyncio.AbstractEventLoop) -> "asyncio.Task[Any]":
    task = asyncio.current_task(loop)
    assert task is not None
    return task
