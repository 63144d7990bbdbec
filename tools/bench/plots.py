"""Draws the plots of the report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.rounds import CONCURRENCIES
from bench.run import FAR

_COLOURS = {"ours": "#2a7f62", "raw": "#b0b0b0", "JavaScript": "#e0b400"}


def throughput(backends: Mapping[str, Any], file: Path) -> None:
    """Draw the calls per second of each operation, with more and more callers."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3 * len(FAR), 2.2 * len(backends)), layout="constrained")
    grid = figure.subplots(len(backends), len(FAR), squeeze=False)
    for row, (name, settings) in zip(grid, backends.items(), strict=True):
        for axes, operation in zip(row, FAR, strict=True):
            for place, (subject, colour) in enumerate(_COLOURS.items()):
                rates = [
                    settings["local"][operation][str(concurrency)][subject]["rate"]
                    for concurrency in CONCURRENCIES
                ]
                places = [position + (place - 1) * 0.27 for position in range(len(rates))]
                axes.bar(places, rates, 0.27, color=colour, label=subject)
            axes.set_xticks(range(len(CONCURRENCIES)), [str(each) for each in CONCURRENCIES])
            _finish(axes, f"{name}: {operation}")
    _save(figure, grid, "calls at a time", file)


def growth(backends: Mapping[str, Any], file: Path) -> None:
    """Draw the calls per second as the database grows."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 2.2 * len(backends)), layout="constrained")
    grid = figure.subplots(len(backends), 2, squeeze=False)
    for row, (name, settings) in zip(grid, backends.items(), strict=True):
        for axes, (operation, runs) in zip(row, settings["growth"].items(), strict=True):
            sizes = [int(size) for size in runs]
            for subject, colour in _COLOURS.items():
                rates = [runs[str(size)][subject]["rate"] for size in sizes]
                axes.plot(sizes, rates, marker="o", color=colour, label=subject)
            axes.set_xscale("log")
            axes.set_yscale("log")
            _finish(axes, f"{name}: {operation}")
    _save(figure, grid, "sessions stored", file)


def _finish(axes: Any, title: str) -> None:
    axes.set_title(title, fontsize=10)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _save(figure: Any, grid: Any, what: str, file: Path) -> None:
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(_COLOURS))
    figure.supxlabel(what)
    figure.supylabel("calls per second")
    figure.savefig(file)
