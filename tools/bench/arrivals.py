"""Calls that arrive at a rate, whether or not earlier ones have been answered, as requests do."""

import asyncio
import random
import time

from bench.figures import Measured, Meter
from bench.measuring import Call

_TICK = 0.001  # an event loop's timers are no finer


async def arrive(call: Call, *, count: int, rate: float, seconds: float) -> Measured:
    """Let calls arrive at random, and measure each from the moment at which it was due.

    Those of one millisecond arrive together; a client that is late begins late, and that counts.

    Args:
        call: Is given the number of the call, from 0.
        count: At most so many calls.
        rate: Calls per second.
        seconds: For how long they arrive.
    """
    meter = Meter()
    clock = time.perf_counter
    chance = random.Random(1)

    async def one(number: int, due: float) -> None:
        await call(number)
        meter.times.append(clock() - due)

    began = clock()
    number, due = 0, began
    tick = began
    async with asyncio.TaskGroup() as group:
        while tick < began + seconds and number < count:
            tick += _TICK
            await asyncio.sleep(max(0.0, tick - clock()))
            while due <= tick and number < count:
                group.create_task(one(number, tick))
                number += 1
                due += chance.expovariate(rate)
    return meter.measured()
