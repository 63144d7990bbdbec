"""Measures one backend: the three subjects in turn, on one database."""

import asyncio
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from interop.backends import Backend, Space
from servers.kv import TOKEN

from bench.subjects import SUBJECTS, latency, working
from bench.workload import OPERATIONS

CONCURRENCIES = (1, 16, 64)
STORED = 1000
# FerretDB, in place of MongoDB, reads all that is stored for each query.
_FEWER_STORED = {"mongodb": 100}
LATENCY_MILLISECONDS = 1.0
GROWING = ("load", "find")
# How far the local servers can be filled in reasonable time.
_LARGEST = {"dynamodb": 10_000, "mongodb": 1000, "kv-style": STORED}
_MOST = 200_000  # calls of one run
_INDEXED_BY_OURS = (
    "sqlite",
    "postgresql",
    "mysql",
    "mongodb",
)  # the official adapters have no index


def machine() -> str:
    """Return what this runs on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8").splitlines()
        model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), model)
    return f"{model}, {os.cpu_count()} cores, {platform.system()}"


def node_version() -> str:
    """Return the version of Node."""
    output = subprocess.run(
        ["node", "--version"], capture_output=True, check=True, text=True
    ).stdout
    return output.strip().removeprefix("v")


def backend(backend: Backend, *, rounds: int, seconds: float, growth: int) -> dict[str, Any]:
    """Measure a backend on a private server.

    Args:
        backend: Which.
        rounds: How often each figure is taken; the median counts.
        seconds: How long an operation of a subject is measured in a round.
        growth: How many sessions the database is to have in the end.

    Returns:
        Figures by setting, operation, concurrency (or number of sessions) and subject.
    """
    results: dict[str, Any] = {}
    with _databases(backend) as (spaces, place), ExitStack() as stack:
        bench = _Bench(backend, stack, spaces, rounds, seconds)
        fewest = _FEWER_STORED.get(backend.name, STORED)
        bench.store_more(fewest)
        results["local"] = bench.measure_all(OPERATIONS)
        if backend.server is not None:
            with bench.latency(place):
                results["latency"] = bench.measure_all(OPERATIONS)
        results["growth"] = {operation: {} for operation in GROWING}
        size = fewest
        while size <= min(growth, _LARGEST.get(backend.name, growth)):
            bench.store_more(size)
            bench.setting = f"{size} sessions stored, "
            for operation in GROWING:
                results["growth"][operation][str(size)] = bench.measure(operation, 16)
            size *= 10
    return results


class _Bench:
    """Measures operations one after the other, and says how it goes.

    Attributes:
        setting: Said before each line of progress.
    """

    def __init__(
        self,
        backend: Backend,
        stack: ExitStack,
        spaces: Mapping[str, Space],
        rounds: int,
        seconds: float,
    ) -> None:
        self._backend = backend
        self._spaces = spaces
        self._rounds = rounds
        self._seconds = seconds
        self._stored = 0
        self._next = 10_000_000  # sessions that are stored and deleted within a run
        self.setting = ""
        self._workers = {
            subject: stack.enter_context(working(subject, backend.name, space.javascript))
            for subject, space in spaces.items()
        }
        # Where each has its own table, the bare driver fills both, and in bulk: on that of the
        # official adapter ours would create the index that it lacks.
        own_tables = spaces["JavaScript"] is not spaces["ours"]
        shared = self._workers["raw" if own_tables else "ours"]
        self._helpers = {
            subject: shared
            if space is spaces["ours"]
            else stack.enter_context(working("raw", backend.name, space.javascript))
            for subject, space in spaces.items()
        }

    def store_more(self, size: int) -> None:
        """Have so many sessions stored in all."""
        for helper in dict.fromkeys(self._helpers.values()):
            if size > self._stored:
                helper.prepare(self._stored, size - self._stored)
        self._stored = size

    @contextmanager
    def latency(self, place: Path) -> Iterator[None]:
        """Measure with network latency."""
        near = self._workers
        with ExitStack() as stack:
            far = {}
            for subject, space in self._spaces.items():
                options = stack.enter_context(
                    latency(space.javascript, LATENCY_MILLISECONDS, place)
                )
                far[subject] = stack.enter_context(working(subject, self._backend.name, options))
            self._workers = far
            self.setting = f"{LATENCY_MILLISECONDS:g} ms of latency, "
            yield
            self._workers = near
            self.setting = ""

    def measure_all(self, operations: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the medians by operation, concurrency and subject."""
        return {
            operation: {
                str(concurrency): self.measure(operation, concurrency)
                for concurrency in CONCURRENCIES
            }
            for operation in operations
        }

    def measure(self, operation: str, concurrency: int) -> dict[str, dict[str, float]]:
        """Return the medians by subject.

        Beside what :class:`~bench.measuring.Measured` has, ``times`` tells how many times as many
        calls a second ours has made.
        """
        what = f"{self._backend.name}: {self.setting}{operation}, {concurrency} at a time"
        print(f"{what} ... ", end="", flush=True, file=sys.stderr)
        counts = {}
        for subject in self._workers:
            trial = self._run(subject, operation, max(50, concurrency), concurrency)
            wanted = int(trial["rate"] * self._seconds)
            counts[subject] = min(max(wanted, 2 * concurrency, 10), _MOST)
        figures: dict[str, list[dict[str, float]]] = {subject: [] for subject in self._workers}
        order = list(self._workers)
        for _ in range(self._rounds):
            for subject in order:
                run = self._run(subject, operation, counts[subject], concurrency)
                figures[subject].append(run)
            order.append(order.pop(0))
        for runs in figures.values():
            # In the same round, when the machine was as fast for both.
            for ours, run in zip(figures["ours"], runs, strict=True):
                run["times"] = ours["rate"] / run["rate"]
        medians = {
            subject: {key: median(run[key] for run in runs) for key in runs[0]}
            for subject, runs in figures.items()
        }
        rates = ", ".join(f"{subject} {each['rate']:.0f}/s" for subject, each in medians.items())
        print(rates, flush=True, file=sys.stderr)
        return medians

    def _run(self, subject: str, operation: str, count: int, concurrency: int) -> dict[str, float]:
        worker, helper = self._workers[subject], self._helpers[subject]
        first = self._next
        sessions = 10 * count if operation == "delete 10" else count
        self._next += -(-sessions // 10) * 10
        if operation.startswith("delete"):
            helper.prepare(first, sessions)
        result = worker.measure(
            operation, first=first, stored=self._stored, count=count, concurrency=concurrency
        )
        if operation == "store new":
            calls = -(-sessions // 10)
            helper.measure("delete 10", first=first, stored=0, count=calls, concurrency=16)
        return result


@contextmanager
def _databases(backend: Backend) -> Iterator[tuple[dict[str, Space], Path]]:
    """Give each subject its database: ours and the bare driver one, the official adapter its own.

    Where the layout leaves nothing to choose, all three share one.
    """
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as directory,
        asyncio.Runner() as runner,
        ExitStack() as stack,
    ):
        os.environ["CLOUDFLARE_API_TOKEN"] = TOKEN
        url = "" if backend.server is None else stack.enter_context(backend.server.run())
        shared = _opened(stack, runner, backend.space(url, Path(directory)))
        runner.run(_create(shared))
        spaces = dict.fromkeys(SUBJECTS, shared)
        if backend.name in _INDEXED_BY_OURS:
            spaces["JavaScript"] = _opened(stack, runner, backend.space(url, Path(directory)))
            with working("JavaScript", backend.name, spaces["JavaScript"].javascript):
                pass  # creates its table
        yield spaces, Path(directory)


def _opened(stack: ExitStack, runner: asyncio.Runner, opened: Any) -> Space:
    space: Space = runner.run(_enter(opened))
    stack.callback(lambda: runner.run(_leave(opened)))
    return space


async def _enter(opened: Any) -> Space:
    space: Space = await opened.__aenter__()
    return space


async def _leave(opened: Any) -> None:
    await opened.__aexit__(None, None, None)


async def _create(space: Space) -> None:
    async with space.python():
        pass
