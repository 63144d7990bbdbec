"""What is measured of a run of calls."""

import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Measured:
    """One run.

    Attributes:
        calls: How many there were.
        seconds: How long it took.
        rate: Calls per second.
        p50: Median time of a call in milliseconds.
        p99: The same, which one in a hundred exceeds.
        cpu: Microseconds of the client's CPU time per call.
        memory: The client's largest memory so far, in megabytes.
    """

    calls: int
    seconds: float
    rate: float
    p50: float
    p99: float
    cpu: float
    memory: float


class Meter:
    """Takes the time of a run from its making on.

    Attributes:
        times: The seconds of each call so far.
    """

    def __init__(self) -> None:
        self.times: list[float] = []
        self._cpu = time.process_time()
        self._started = time.perf_counter()

    def measured(self) -> Measured:
        """Return what there is at the end of the run."""
        seconds = time.perf_counter() - self._started
        cpu = time.process_time() - self._cpu
        times = sorted(self.times)
        calls = len(times)
        return Measured(
            calls=calls,
            seconds=seconds,
            rate=calls / seconds,
            p50=times[calls // 2] * 1e3,
            p99=times[calls * 99 // 100] * 1e3,
            cpu=cpu / calls * 1e6,
            memory=_memory(),
        )


def _memory() -> float:
    status = Path("/proc/self/status")
    if status.exists():  # on Linux what getrusage() tells begins with the parent's memory
        peak = status.read_text().partition("VmHWM:")[2].split()[0]
        return int(peak) / (1 << 10)
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS, else kilobytes
    return size / (1 << 20 if sys.platform == "darwin" else 1 << 10)
