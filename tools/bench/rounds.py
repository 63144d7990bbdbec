"""Has the subjects take turns, and takes the medians of the rounds."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from interop.backends import Backend, Space

from bench.far import latency
from bench.subjects import JAVASCRIPT, OURS, RAW, Subject, Worker, working
from bench.workload import ONCE

CONCURRENCIES = (1, 16, 64)
LATENCY_MILLISECONDS = 1.0
_MOST = 400_000  # calls of one run
_AT_FIRST = 1000  # calls a second, until it is known

Figures = dict[str, dict[str, float]]
"""Medians by subject: what ``figures.py`` has, and ``times``: ours / its calls per second."""


@dataclass(frozen=True)
class Pace:
    """How long everything is measured.

    Attributes:
        rounds: How often each figure is taken.
        seconds: The window of each subject in each round.
        warm: For how long each subject works before the first round of each cell, with 64 callers;
            then half as long with as many as are measured. JavaScript gains most by it.
    """

    rounds: int
    seconds: float
    warm: float


class Rounds:
    """Measures operations one after the other, and says how it goes.

    Attributes:
        setting: Said before each line of progress.
    """

    def __init__(
        self, backend: Backend, stack: ExitStack, spaces: Mapping[Subject, Space], pace: Pace
    ) -> None:
        self._backend = backend
        self._spaces = dict(spaces)
        self._pace = pace
        self._stack = stack
        self._stored = 0
        self._few: dict[Subject, int] = {}  # stored for those whose database stays small
        self._next = 10_000_000  # sessions that are stored and deleted within a run
        self._rates: dict[Any, float] = {}
        self.setting = ""
        self._workers = {
            subject: stack.enter_context(working(subject, backend.name, space.javascript))
            for subject, space in spaces.items()
        }
        # Where each has its own table, the bare driver fills all, and in bulk: on that of the
        # official adapter ours would create the index that it lacks.
        own_tables = spaces[JAVASCRIPT] is not spaces[OURS]
        self._filler = RAW if own_tables else OURS
        self._helpers = {
            subject: self._workers[self._filler]
            if space is spaces[OURS]
            else stack.enter_context(working(RAW, backend.name, space.javascript))
            for subject, space in spaces.items()
        }

    def store_more(self, size: int) -> None:
        """Have so many sessions stored in all."""
        if size > self._stored:
            for helper in dict.fromkeys(self._helpers.values()):
                helper.prepare(self._stored, size - self._stored)
                if self._backend.name == "postgresql":
                    helper.settle()
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

    @contextmanager
    def beside(self, subject: Subject, space: Space, stored: int) -> Iterator[None]:
        """Measure one more subject, on a database of its own that stays small."""
        with working(subject, self._backend.name, space.javascript) as worker:
            filler = self._stack.enter_context(
                working(self._filler, self._backend.name, space.javascript)
            )
            filler.prepare(0, stored)
            self._workers[subject], self._helpers[subject] = worker, filler
            self._few[subject] = stored
            yield
            del self._workers[subject], self._helpers[subject]

    def measure_all(self, operations: Iterable[str]) -> dict[str, dict[str, Figures]]:
        """Return the medians by operation and concurrency."""
        return {
            operation: {
                str(concurrency): self.measure(operation, concurrency)
                for concurrency in CONCURRENCIES
            }
            for operation in operations
        }

    def measure(self, operation: str, concurrency: int) -> Figures:
        """Return the medians of callers that call again as soon as they have their answer."""
        for subject in self._workers:
            self._warm(subject, operation, max(CONCURRENCIES), self._pace.warm)
            self._warm(subject, operation, concurrency, self._pace.warm / 2)
        return self._alternating(
            f"{operation}, {concurrency} at a time",
            lambda subject: self._run(subject, operation, concurrency, self._pace.seconds),
        )

    def measure_arrivals(self, operation: str, rates: Mapping[str, float]) -> Figures:
        """Return the medians where calls arrive at these rates, by subject."""
        seconds = 4 * self._pace.seconds  # the slowest calls need more of them
        return self._alternating(
            f"{operation}, arriving",
            lambda subject: self._workers[subject].arrive(
                operation=operation,
                first=0,
                stored=self._stored_for(subject),
                count=_MOST,
                rate=rates[subject.name],
                seconds=seconds,
            ),
        )

    def _alternating(self, what: str, run: Any) -> Figures:
        print(
            f"{self._backend.name}: {self.setting}{what} ... ", end="", flush=True, file=sys.stderr
        )
        runs: dict[Subject, list[dict[str, float]]] = {subject: [] for subject in self._workers}
        order = list(self._workers)
        for _ in range(self._pace.rounds):
            for subject in order:
                runs[subject].append(run(subject))
            order.append(order.pop(0))
        for each in runs.values():
            # In the same round, when the machine was as fast for both.
            for ours, its in zip(runs[OURS], each, strict=True):
                its["times"] = ours["rate"] / its["rate"]
        medians = {
            subject.name: {key: median(run[key] for run in each) for key in each[0]}
            for subject, each in runs.items()
        }
        rates = ", ".join(f"{subject} {each['rate']:.0f}/s" for subject, each in medians.items())
        print(rates, flush=True, file=sys.stderr)
        return medians

    def _warm(self, subject: Subject, operation: str, concurrency: int, seconds: float) -> None:
        while seconds > 0:
            seconds -= self._run(subject, operation, concurrency, seconds)["seconds"]

    def _run(
        self, subject: Subject, operation: str, concurrency: int, seconds: float
    ) -> dict[str, float]:
        """Make calls for a window of time, on sessions of its own where they are used up."""
        worker, helper = self._workers[subject], self._helpers[subject]
        count, first, each = _MOST, 0, 1
        if operation in ONCE:
            # Half as many more than last time, so that time ends the window.
            rate = self._rates.get((subject, operation, concurrency), _AT_FIRST)
            count = min(_MOST, int(1.5 * rate * seconds) + concurrency)
            each = 10 if operation == "delete 10" else 1
            first = self._next
            self._next += -(-count * each // 10) * 10
            if operation != "store new":
                helper.prepare(first, count * each)
        result = worker.measure(
            operation=operation,
            first=first,
            stored=self._stored_for(subject),
            count=count,
            concurrency=concurrency,
            seconds=seconds,
        )
        if operation in ONCE:
            self._rates[subject, operation, concurrency] = result["rate"]
            done = int(result["calls"]) * each
            left = (
                (first, done) if operation == "store new" else (first + done, count * each - done)
            )
            self._delete(helper, *left)
        return result

    def _stored_for(self, subject: Subject) -> int:
        return self._few.get(subject, self._stored)

    def _delete(self, helper: Worker, first: int, sessions: int) -> None:
        """Delete the sessions that a run has left."""
        if sessions:
            helper.measure(
                operation="delete 10",
                first=first,
                stored=0,
                count=-(-sessions // 10),
                concurrency=16,
                seconds=1e9,
            )
