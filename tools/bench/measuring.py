"""Runs an operation many times, and measures it."""

import asyncio
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Measured:
    """One run.

    Attributes:
        rate: Calls per second.
        p50: Median time of a call in milliseconds.
        p99: The same, which one in a hundred exceeds.
        cpu: Microseconds of the client's CPU time per call.
        memory: The client's largest memory so far, in megabytes.
    """

    rate: float
    p50: float
    p99: float
    cpu: float
    memory: float


async def measure(call: Callable[[int], Awaitable[Any]], count: int, concurrency: int) -> Measured:
    """Call with every number up to *count*, so many at a time."""
    times: list[float] = []
    numbers = iter(range(count))
    clock = time.perf_counter

    async def caller() -> None:
        for number in numbers:
            started = clock()
            await call(number)
            times.append(clock() - started)

    cpu = time.process_time()
    started = clock()
    await asyncio.gather(*(caller() for _ in range(min(concurrency, count))))
    seconds = clock() - started
    cpu = time.process_time() - cpu
    times.sort()
    return Measured(
        rate=count / seconds,
        p50=times[count // 2] * 1e3,
        p99=times[min(count - 1, count * 99 // 100)] * 1e3,
        cpu=cpu / count * 1e6,
        memory=_memory(),
    )


def _memory() -> float:
    status = Path("/proc/self/status")
    if status.exists():  # on Linux what getrusage() tells begins with the parent's memory
        peak = status.read_text().partition("VmHWM:")[2].split()[0]
        return int(peak) / (1 << 10)
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS, else kilobytes
    return size / (1 << 20 if sys.platform == "darwin" else 1 << 10)
