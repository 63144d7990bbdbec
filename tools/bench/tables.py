"""Tables of figures, in Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.rounds import CONCURRENCIES


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def ratios(runs: Mapping[str, Any], other: str) -> str:
    """Return how many calls ours makes for each of the other's, for each number of callers."""
    return _list(f"{run[other]['times']:.2f}" for run in _by_callers(runs))


def comparison(figures: Mapping[str, Any]) -> str:
    """Return the calls per second of each operation, as ours and as a multiple of the others'."""
    others = [name for name in _subjects(figures) if name != "ours"]
    head = ["", "ours, calls/s", *(f"ours ÷ {other}" for other in others)]
    rows = [
        [
            operation,
            _list(f"{run['ours']['rate']:,.0f}" for run in _by_callers(runs)),
            *(ratios(runs, other) for other in others),
        ]
        for operation, runs in figures.items()
    ]
    return table(head, rows)


def costs(figures: Mapping[str, Any]) -> str:
    """Return the times of calls, and the client's CPU, with 64 callers."""
    subjects = _subjects(figures)
    head = ["64 callers", *(f"{subject}, p50 - p99 in ms, CPU in µs" for subject in subjects)]
    rows = [
        [
            operation,
            *(
                f"{run['p50']:.1f} - {run['p99']:.1f}, {run['cpu']:.0f}"
                for run in (runs["64"][subject] for subject in subjects)
            ),
        ]
        for operation, runs in figures.items()
    ]
    return table(head, rows)


def arrivals(figures: Mapping[str, Any]) -> str:
    """Return the times of calls that arrive at a rate."""
    subjects = list(next(iter(next(iter(figures.values())).values())))
    head = ["arriving at", *(f"{subject}, calls/s: p50 - p99 in ms" for subject in subjects)]
    rows = [
        [
            f"{operation}, {float(share):.0%}",
            *(
                f"{run['rate']:,.0f}: {run['p50']:.1f} - {run['p99']:.1f}"
                for run in (runs[subject] for subject in subjects)
            ),
        ]
        for operation, shares in figures.items()
        for share, runs in shares.items()
    ]
    return table(head, rows)


def growth(figures: Mapping[str, Any]) -> str:
    """Return the calls per second as the database grows."""
    sizes = list(next(iter(figures.values())))
    subjects = list(next(iter(next(iter(figures.values())).values())))
    rows = [
        [f"{operation}, {subject}", *(f"{runs[size][subject]['rate']:,.0f}" for size in sizes)]
        for operation, runs in figures.items()
        for subject in subjects
    ]
    return table(["", *(f"{int(size):,} sessions" for size in sizes)], rows)


def memory(figures: Mapping[str, Any]) -> str:
    """Return the most memory that each subject has taken."""
    cells = [run for runs in figures.values() for run in runs.values()]
    most = {name: max(run[name]["memory"] for run in cells) for name in _subjects(figures)}
    return ", ".join(f"{subject} {megabytes:.0f}" for subject, megabytes in most.items())


def windows(figures: Mapping[str, Any]) -> tuple[float, float]:
    """Return the shortest and the longest median window in seconds."""
    taken = [
        subject["seconds"]
        for runs in figures.values()
        for run in runs.values()
        for subject in run.values()
    ]
    return min(taken), max(taken)


def _subjects(figures: Mapping[str, Any]) -> list[str]:
    return list(next(iter(figures.values()))["1"])


def _by_callers(runs: Mapping[str, Any]) -> list[Any]:
    return [runs[str(concurrency)] for concurrency in CONCURRENCIES]


def _list(figures: Iterable[str]) -> str:
    return " / ".join(figures)
