"""Makes calls for some time, so many at a time, and measures them."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from bench.figures import Measured, Meter

Call = Callable[[int], Awaitable[object]]


async def measure(call: Call, *, count: int, concurrency: int, seconds: float) -> Measured:
    """Keep *concurrency* callers busy: each calls again as soon as it has its answer.

    Args:
        call: Is given the number of the call, from 0.
        count: At most so many calls.
        concurrency: How many are under way at a time.
        seconds: No call but each caller's first begins after this time.
    """
    meter = Meter()
    numbers = iter(range(count))
    clock = time.perf_counter
    end = clock() + seconds

    async def caller() -> None:
        for number in numbers:
            started = clock()
            await call(number)
            meter.times.append(clock() - started)
            if clock() > end:
                break

    await asyncio.gather(*(caller() for _ in range(concurrency)))
    return meter.measured()
