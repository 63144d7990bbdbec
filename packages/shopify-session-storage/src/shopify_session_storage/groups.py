"""What travels: a call, the kinds of calls, and a group of them that is under way."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shopify_session_storage.events import Watch


class Group:
    """Calls that are under way together.

    Attributes:
        values: What they are about, by key.
        began: When they left, by the event loop's clock.
        deadline: When they must have ended.
        calls: The calls; none for a read that goes alone, in its caller's own task.
        is_slow: Whether the group does not count any more.
        is_repeated: Whether it is a call that conflicted before.
        is_over: Whether its time is over, so that its task has been cancelled.
    """

    __slots__ = (
        "_cancelling", "_task", "began", "calls", "deadline", "is_over", "is_repeated", "is_slow",
        "values",
    )  # fmt: skip

    def __init__(
        self,
        values: dict[str, Any],
        began: float,
        deadline: float,
        calls: "Sequence[Call]" = (),
        *,
        is_repeated: bool = False,
    ) -> None:
        self.values = values
        self.began = began
        self.deadline = deadline
        self.calls = calls
        self.is_slow = False
        self.is_repeated = is_repeated
        self.is_over = False
        self._task: asyncio.Task[Any] | None = None
        self._cancelling = 0

    def works_in(self, task: "asyncio.Task[Any]") -> None:
        """Take note of the task that does the work."""
        self._task = task
        self._cancelling = task.cancelling()

    def end(self) -> None:
        """Cancel the work: its time is over."""
        self.is_over = True
        if self._task is not None:
            self._task.cancel()

    def was_ended(self) -> bool:
        """Tell whether what cancelled the work was :meth:`end` alone."""
        if not self.is_over or self._task is None:
            return False
        return self._task.uncancel() <= self._cancelling


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


class Call:
    """One call: who waits for it, for how long, and what became of it so far."""

    __slots__ = (
        "alone", "conflict", "conflicts", "deadline", "future", "kind", "size", "values", "watch",
    )  # fmt: skip

    def __init__(
        self,
        kind: Kind,
        values: dict[str, Any],
        size: int,
        deadline: float,
        future: asyncio.Future[Any],
        watch: Watch,
    ) -> None:
        self.kind = kind
        self.values = values
        self.size = size
        self.deadline = deadline
        self.future = future
        self.watch = watch
        self.alone = kind.alone
        self.conflicts = 0
        self.conflict: Exception | None = None


def settle(group: Group, results: Mapping[str, Any]) -> None:
    """Give each call its result; of those that asked for the same, each its own copy."""
    if len(group.values) == sum([len(call.values) for call in group.calls]):
        for call in group.calls:
            if not call.future.done():
                call.future.set_result(results)
        return
    given: set[str] = set()
    for call in group.calls:
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


def fail(calls: Sequence[Call], error: BaseException) -> None:
    """Give each call the error."""
    for call in calls:
        if not call.future.done():
            call.future.set_exception(error)
