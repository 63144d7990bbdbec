"""Many pieces of work, so many begun in a second, and none that waits for a slow one."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Final, TypeVar

_T = TypeVar("_T")

# Those that wait for an answer for long must not take all places from the others. Nor must too many
# be under way: of a migration that is killed, those are lost that have been answered meanwhile.
_SECONDS_OF_WORK: Final = 2
_FEWEST_PLACES: Final = 16

_MADE_UP: Final = 0.1


def check_per_second(per_second: float) -> None:
    """Check a pace.

    Raises:
        TypeError: If it is not a number.
        ValueError: If it is not positive, or no number of times.
    """
    if isinstance(per_second, bool) or not isinstance(per_second, int | float):
        raise TypeError(f"per_second must be a number, not {type(per_second).__name__}")
    if not 0 < per_second < math.inf:
        raise ValueError("per_second must be positive")


async def at_pace(
    items: AsyncIterator[_T],
    work: Callable[[_T], Awaitable[bool | timedelta]],
    per_second: float,
) -> None:
    """Work on each item, beginning *per_second* of them in a second.

    Args:
        items: What there is to do; asked for one at a time.
        work: Does it, and tells whether that counts; what does not takes nobody's turn. Or tells
            after which time to try again, in another turn. What it raises ends all.
        per_second: How many that count are begun in a second at most.
    """
    pace = _Pace(1 / per_second)
    places = asyncio.Semaphore(max(_FEWEST_PLACES, math.ceil(per_second * _SECONDS_OF_WORK)))
    running: set[asyncio.Task[None]] = set()
    failures: list[BaseException] = []

    def end(task: asyncio.Task[None]) -> None:
        running.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            failures.append(failure)

    async def run(item: _T) -> None:
        try:
            while isinstance(done := await work(item), timedelta):
                pace.give_back()
                await asyncio.sleep(done.total_seconds())
                await pace.turn()
            if not done:
                pace.give_back()
        finally:
            places.release()

    try:
        async for item in items:
            await places.acquire()
            await pace.turn()
            if failures:
                break
            task = asyncio.ensure_future(run(item))
            running.add(task)
            task.add_done_callback(end)
        while running and not failures:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0)  # for the callback of what has ended
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    if failures:
        raise failures[0]


class _Pace:
    """Gives a turn once in each interval, in seconds."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._next = 0.0
        self._given_back = asyncio.Event()

    async def turn(self) -> None:
        """Wait for the next turn, and take it."""
        loop = asyncio.get_running_loop()
        while (pause := self._next - loop.time()) > 0:
            self._given_back.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._given_back.wait()
        # A busy process is late: by so much, that is made up for, with a tenth more in a second.
        late = max(self._interval, _MADE_UP)
        self._next = max(self._next, loop.time() - late) + self._interval

    def give_back(self) -> None:
        """Return a turn that was not needed."""
        self._next -= self._interval
        self._given_back.set()
