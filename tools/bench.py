"""Measures ours beside the bare Python drivers and the official JavaScript adapters.

python3 tools/bench.py                     all backends, about an hour
python3 tools/bench.py postgresql redis    some of them
python3 tools/bench.py --help              how long and how much

On private servers, alternating in one run, so that the ratios mean something on any machine.
"""

import environment

environment.enter()

import argparse  # noqa: E402  # the environment comes first
import json  # noqa: E402
import platform  # noqa: E402
import sys  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from dataclasses import asdict  # noqa: E402
from datetime import UTC, datetime  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from bench import before, inprocess, report, run  # noqa: E402
from bench.rounds import Pace  # noqa: E402
from interop.backends import BACKENDS  # noqa: E402
from interop.matrix import versions  # noqa: E402


def main(arguments: Sequence[str]) -> None:
    """Measure what *arguments* name, and write the report."""
    names = [backend.name for backend in BACKENDS]
    parser = argparse.ArgumentParser(description="Measures the adapters.")
    parser.add_argument("backend", nargs="*", help=f"of {', '.join(names)}; default: all")
    parser.add_argument("--rounds", type=int, default=7, help="the median of these counts (7)")
    parser.add_argument(
        "--seconds", type=float, default=0.25, help="of each subject in each round (0.25)"
    )
    parser.add_argument(
        "--warm", type=float, default=0.5, help="seconds of work before each cell (0.5)"
    )
    parser.add_argument(
        "--growth",
        type=int,
        default=100_000,
        metavar="SESSIONS",
        help="how far to let the database grow (100000; 1000000 takes minutes a backend)",
    )
    parser.add_argument("--uvloop", action="store_true", help="measure ours on uvloop, too")
    parser.add_argument("--before", metavar="REVISION", help="measure ours as it was, too")
    parser.add_argument(
        "--write-readme",
        action="store_true",
        help="keep the report in tools/bench/results, and put a summary into README.md",
    )
    parser.add_argument(
        "--out", type=Path, default=environment.ROOT / "bench-results", help="a folder"
    )
    chosen = parser.parse_args(arguments)
    if chosen.write_readme:
        chosen.out = environment.ROOT / "tools" / "bench" / "results"
    unknown = set(chosen.backend) - set(names)
    if unknown:
        parser.error(f"unknown backend {min(unknown)!r}; the backends are: {', '.join(names)}")

    pace = Pace(chosen.rounds, chosen.seconds, chosen.warm)
    results: dict[str, Any] = {
        "machine": run.machine(),
        "python": platform.python_version(),
        "node": run.node_version(),
        "date": datetime.now(UTC).date().isoformat(),
        "pace": asdict(pace),
        "before": chosen.before,
        "versions": {},
        "backends": {},
    }
    chosen.out.mkdir(parents=True, exist_ok=True)
    results["inprocess"] = inprocess.measure(pace.rounds)
    with before.sources_of(chosen.before) as sources:
        for backend in BACKENDS:
            if backend.name in (chosen.backend or names):
                results["versions"][backend.name] = versions(backend.name)
                results["backends"][backend.name] = run.backend(
                    backend, pace=pace, growth=chosen.growth, uvloop=chosen.uvloop, before=sources
                )
                (chosen.out / "results.json").write_text(json.dumps(results, indent=1))
    report.write(results, chosen.out)
    if chosen.write_readme:
        report.write_summary(results, environment.ROOT / "README.md", chosen.out)
    print((chosen.out / "report.md").read_text())


if __name__ == "__main__":
    main(sys.argv[1:])
