"""Writes the report, and its summary for the README."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import plots, tables
from bench.rounds import LATENCY_MILLISECONDS
from bench.run import FAR

_LEGEND = """\
*raw* is the bare Python driver doing the least that an operation needs, *JavaScript* the official
adapter on a table as it makes it. "ours ÷ JavaScript 2.00" means that ours made twice as many
calls a second in the same round. Three figures are for 1, 16 and 64 callers, each of whom calls
again as soon as it has its answer. All figures are medians of the rounds.
"""
_BEGIN = "<!-- written by tools/bench.py: begin -->\n"
_END = "<!-- written by tools/bench.py: end -->\n"
_SUMMARY = """\
How many calls a second ours makes for each call of another adapter, with 1, 16 and 64 callers:
2.00 is twice as many.
"""
_ARRIVING = """\
Calls that arrive at random, at a share of what the subject can answer when they do. The time of a
call begins when it is due:
"""
_OTHERS = {"raw": "the bare driver", "JavaScript": "the official JavaScript adapter"}


def write(results: Mapping[str, Any], folder: Path) -> None:
    """Write ``report.md``, ``throughput.svg`` and ``growth.svg``.

    Args:
        results: What ``tools/bench.py`` collects.
        folder: Where to.
    """
    (folder / "report.md").write_text(text(results), encoding="utf-8")
    plots.throughput(results["backends"], folder / "throughput.svg")
    plots.growth(results["backends"], folder / "growth.svg")


def write_summary(results: Mapping[str, Any], readme: Path, folder: Path) -> None:
    """Put a short table and the plot into a README, between its markers."""
    before, _, rest = readme.read_text(encoding="utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    place = folder.relative_to(readme.parent).as_posix()
    rows = [
        [name, _OTHERS[other], *(tables.ratios(settings["local"][each], other) for each in FAR)]
        for name, settings in results["backends"].items()
        for other in _OTHERS
    ]
    parts = [
        _SUMMARY,
        tables.table(["", "compared with", *FAR], rows),
        f"{_where(results)}; medians. [All figures]({place}/report.md).\n",
        f"![Calls per second]({place}/throughput.svg)\n",
    ]
    summary = "\n".join(parts)
    readme.write_text(f"{before}{_BEGIN}{summary}{_END}{after}", encoding="utf-8")


def text(results: Mapping[str, Any]) -> str:
    """Return the report as Markdown."""
    parts = [
        "# What it costs\n",
        f"{_where(results)}. Made by `python3 tools/bench.py`.\n",
        _LEGEND,
        *([f"*ours before* is revision {results['before']}.\n"] if results["before"] else []),
        _how_long(results),
        "![Calls per second](throughput.svg)\n",
        "![Calls per second as the database grows](growth.svg)\n",
    ]
    for name, settings in results["backends"].items():
        parts += [f"## {name}\n", f"{results['versions'][name]}\n", *_backend(settings)]
    made = results["inprocess"]
    imports = [[name, f"{ms:.1f}"] for name, ms in made["import_ms"].items()]
    conversions = [[name, f"{us:.2f}"] for name, us in made["convert_us"].items()]
    parts += [
        "## In the process\n",
        tables.table(["import", "ms"], imports),
        tables.table(["make", "µs"], conversions),
    ]
    return "\n".join(parts)


def _backend(settings: Mapping[str, Any]) -> list[str]:
    local = settings["local"]
    parts = [
        tables.comparison(local),
        tables.costs(local),
        f"The client's memory in MB, the bench's own in it: {tables.memory(local)}.\n",
        _ARRIVING,
        tables.arrivals(settings["arrivals"]),
    ]
    if "latency" in settings:
        far = settings["latency"]
        parts += [f"With {LATENCY_MILLISECONDS:g} ms of network latency:\n", tables.comparison(far)]
        parts += [tables.costs(far)]
    parts += ["Calls per second as the database grows, 16 callers:\n"]
    return [*parts, tables.growth(settings["growth"])]


def _how_long(results: Mapping[str, Any]) -> str:
    found = [tables.windows(settings["local"]) for settings in results["backends"].values()]
    shortest, longest = min(each[0] for each in found), max(each[1] for each in found)
    pace = results["pace"]
    return (
        f"Before each cell every subject works for {pace['warm']:g} s with 64 callers, then for "
        f"{pace['warm'] / 2:g} s with as many as are measured. Then they take turns for "
        f"{pace['rounds']} rounds of {pace['seconds']:g} s each; the windows really took "
        f"{shortest:.2f} to {longest:.2f} s.\n"
    )


def _where(results: Mapping[str, Any]) -> str:
    versions = f"Python {results['python']}, Node {results['node']}"
    return f"{results['machine']}, {versions}, {results['date']}"
