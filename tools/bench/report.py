"""Turns figures into tables and plots."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.run import CONCURRENCIES, LATENCY_MILLISECONDS
from bench.subjects import SUBJECTS
from bench.workload import OPERATIONS

PLOTTED = ("load", "store", "find", "delete 10")
_LEGEND = """\
*raw* is the bare Python driver doing the least that an operation needs, *JavaScript* the official
adapter, on a table as it makes it. *Times raw* 2.0 means that ours makes twice as many calls a
second in the same round. Three figures are for 1, 16 and 64 calls at a time. All are medians.
"""
_BEGIN = "<!-- written by tools/bench.py: begin -->\n"
_END = "<!-- written by tools/bench.py: end -->\n"
_OTHERS = {"raw": "the bare driver", "JavaScript": "the official JavaScript adapter"}
_COLOURS = {"ours": "#2a7f62", "raw": "#b0b0b0", "JavaScript": "#e0b400"}


def write(results: Mapping[str, Any], folder: Path) -> None:
    """Write ``report.md``, ``throughput.svg`` and ``growth.svg``.

    Args:
        results: What ``tools/bench.py`` collects.
        folder: Where to.
    """
    (folder / "report.md").write_text(text(results), encoding="utf-8")
    _plot_throughput(results["backends"], folder / "throughput.svg")
    _plot_growth(results["backends"], folder / "growth.svg")


def write_summary(results: Mapping[str, Any], readme: Path, folder: Path) -> None:
    """Put a short table and the plot into a README, between its markers."""
    before, _, rest = readme.read_text(encoding="utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    place = folder.relative_to(readme.parent).as_posix()
    rows = []
    for name, settings in results["backends"].items():
        for other in ("raw", "JavaScript"):
            ratios = [
                _list(
                    _ratio(settings["local"][operation][str(concurrency)], other)
                    for concurrency in CONCURRENCIES
                )
                for operation in PLOTTED
            ]
            rows.append([name, _OTHERS[other], *ratios])
    how = (
        "How many times as many calls per second as the other, with 1 / 16 / 64 calls at a time: "
        "2.00 is twice as fast. Medians, in one run"
    )
    parts = [
        f"{how}.\n",
        _table(["", "compared with", *PLOTTED], rows),
        f"{_where(results)}. [All figures]({place}/report.md).\n",
        f"![Calls per second]({place}/throughput.svg)\n",
    ]
    text = "\n".join(parts)
    readme.write_text(f"{before}{_BEGIN}{text}{_END}{after}", encoding="utf-8")


# --- tables ---------------------------------------------------------------------------------------


def text(results: Mapping[str, Any]) -> str:
    """Return the report as Markdown."""
    parts = [
        "# What it costs\n",
        f"{_where(results)}. Made by `python3 tools/bench.py`.\n",
        _LEGEND,
        "![Calls per second](throughput.svg)\n",
        "![Calls per second as the database grows](growth.svg)\n",
    ]
    for name, settings in results["backends"].items():
        parts += [
            f"## {name}\n",
            f"{results['versions'][name]}\n",
            _comparison(settings["local"]),
            f"The client's memory in MB, the bench's own in it: {_memory(settings['local'])}.\n",
        ]
        if "latency" in settings:
            parts += [
                f"With {LATENCY_MILLISECONDS:g} ms of network latency:\n",
                _comparison(settings["latency"]),
            ]
        parts += ["Calls per second, 16 at a time, as the database grows:\n"]
        parts += [_growth(settings["growth"])]
    costs = results["inprocess"]
    parts += [
        "## In the process\n",
        _table(["import", "ms"], [[n, f"{ms:.1f}"] for n, ms in costs["import_ms"].items()]),
        _table(["make", "µs"], [[n, f"{us:.2f}"] for n, us in costs["convert_us"].items()]),
    ]
    return "\n".join(parts)


def _comparison(figures: Mapping[str, Any]) -> str:
    head = [
        "",
        "ours, calls/s",
        "times raw",
        "times JavaScript",
        "p50 - p99 at 64 in ms: ours, raw, JavaScript",
        "client's CPU at 64 in µs: ours, raw, JavaScript",
    ]
    rows = []
    for operation in OPERATIONS:
        if operation in figures:
            runs = [figures[operation][str(concurrency)] for concurrency in CONCURRENCIES]
            rows.append(
                [
                    operation,
                    _list(f"{run['ours']['rate']:.0f}" for run in runs),
                    _list(_ratio(run, "raw") for run in runs),
                    _list(_ratio(run, "JavaScript") for run in runs),
                    _list(
                        f"{runs[-1][subject]['p50']:.1f} - {runs[-1][subject]['p99']:.1f}"
                        for subject in SUBJECTS
                    ),
                    _list(f"{runs[-1][subject]['cpu']:.0f}" for subject in SUBJECTS),
                ]
            )
    return _table(head, rows)


def _memory(figures: Mapping[str, Any]) -> str:
    """Return the most that each subject has taken."""
    runs = [run for runs in figures.values() for run in runs.values()]
    most = {subject: max(run[subject]["memory"] for run in runs) for subject in SUBJECTS}
    return ", ".join(f"{subject} {megabytes:.0f}" for subject, megabytes in most.items())


def _growth(figures: Mapping[str, Any]) -> str:
    sizes = list(next(iter(figures.values())))
    rows = [
        [f"{operation}, {subject}", *(f"{runs[size][subject]['rate']:.0f}" for size in sizes)]
        for operation, runs in figures.items()
        for subject in SUBJECTS
    ]
    return _table(["", *(f"{int(size):,} sessions" for size in sizes)], rows)


def _where(results: Mapping[str, Any]) -> str:
    versions = f"Python {results['python']}, Node {results['node']}"
    return f"{results['machine']}, {versions}, {results['date']}"


def _ratio(run: Mapping[str, Any], other: str) -> str:
    return f"{run[other]['times']:.2f}"


def _list(figures: Any) -> str:
    return " / ".join(figures)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


# --- plots ----------------------------------------------------------------------------------------


def _plot_throughput(backends: Mapping[str, Any], file: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3 * len(PLOTTED), 2.2 * len(backends)), layout="constrained")
    grid = figure.subplots(len(backends), len(PLOTTED), squeeze=False)
    for row, (name, settings) in zip(grid, backends.items(), strict=True):
        for axes, operation in zip(row, PLOTTED, strict=True):
            for place, subject in enumerate(SUBJECTS):
                rates = [
                    settings["local"][operation][str(concurrency)][subject]["rate"]
                    for concurrency in CONCURRENCIES
                ]
                places = [position + (place - 1) * 0.27 for position in range(len(rates))]
                axes.bar(places, rates, 0.27, color=_COLOURS[subject], label=subject)
            axes.set_xticks(range(len(CONCURRENCIES)), [str(each) for each in CONCURRENCIES])
            axes.set_title(f"{name}: {operation}", fontsize=10)
            axes.tick_params(labelsize=8)
            axes.spines[["top", "right"]].set_visible(False)
    _save(figure, grid, "calls at a time", file)


def _plot_growth(backends: Mapping[str, Any], file: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 2.2 * len(backends)), layout="constrained")
    grid = figure.subplots(len(backends), 2, squeeze=False)
    for row, (name, settings) in zip(grid, backends.items(), strict=True):
        for axes, (operation, runs) in zip(row, settings["growth"].items(), strict=True):
            sizes = [int(size) for size in runs]
            for subject in SUBJECTS:
                rates = [runs[str(size)][subject]["rate"] for size in sizes]
                axes.plot(sizes, rates, marker="o", color=_COLOURS[subject], label=subject)
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_title(f"{name}: {operation}", fontsize=10)
            axes.tick_params(labelsize=8)
            axes.spines[["top", "right"]].set_visible(False)
    _save(figure, grid, "sessions stored", file)


def _save(figure: Any, grid: Any, what: str, file: Path) -> None:
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(SUBJECTS))
    figure.supxlabel(what)
    figure.supylabel("calls per second")
    figure.savefig(file)
