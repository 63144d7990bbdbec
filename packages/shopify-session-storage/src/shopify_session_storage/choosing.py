"""Which of the calls that wait leave together."""

from collections import deque
from typing import Any

from shopify_session_storage.groups import Call


def next_calls(
    waiting: deque[Call], *, held: set[str], room: int, items: int, size: int, may_overtake: bool
) -> tuple[list[Call], dict[str, Any]]:
    """Take the calls that leave next: of one kind, and none overtaking one for the same key.

    Args:
        waiting: The calls that wait, in the order in which they came.
        held: Keys that are under way, for which nothing else may leave.
        room: How many calls to take. One that asks for what another of the group asks for, too,
            makes the group no larger.
        items: How many keys a group may have; a single call with more goes alone.
        size: How many bytes a group may have; a larger single call goes alone.
        may_overtake: Whether a call may leave before one that came earlier, for other keys.

    Returns:
        The calls, and their values together.
    """
    calls: list[Call] = []
    kept: list[Call] = []
    not_these = set(held)
    values: dict[str, Any] = {}
    bytes_taken = 0
    while waiting and room:
        call = waiting.popleft()
        if call.future.done():  # its caller has been cancelled, or has run out of time
            continue
        if (not_these and not not_these.isdisjoint(call.values)) or (
            calls and not _may_join(call, calls[0], values)
        ):
            kept.append(call)
            if not may_overtake:
                break
            not_these.update(call.values)
            continue
        bytes_taken += call.size
        before = len(values)
        if calls and (
            bytes_taken > size
            or (before + len(call.values) > items and _count_with(values, call) > items)
        ):
            kept.append(call)
            break
        values.update(call.values)
        room -= len(values) > before
        calls.append(call)
        if call.alone:
            break
    if kept:
        waiting.extendleft(reversed(kept))
    return calls, values


def _may_join(call: Call, first: Call, values: dict[str, Any]) -> bool:
    if call.alone or call.kind is not first.kind:
        return False
    return call.kind.merges or call.values.keys().isdisjoint(values)


def _count_with(values: dict[str, Any], call: Call) -> int:
    return len(values) + len(call.values.keys() - values.keys())
