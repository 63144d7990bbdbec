"""The bench runs, and reports on every operation. It asserts no timing."""

import json
import subprocess
import sys

import environment
from bench.workload import OPERATIONS

SUBJECTS = {
    "ours",
    "raw",
    "JavaScript",
    "JavaScript with WAL",
    "ours on uvloop",
    "ours before",
}


def test_bench_measures_every_operation(tmp_path):
    options = ("--rounds", "1", "--seconds", "0.01", "--warm", "0")
    options += ("--growth", "1000", "--uvloop", "--before", "HEAD", "--out", tmp_path)
    done = subprocess.run(
        [sys.executable, environment.ROOT / "tools" / "bench.py", "sqlite", *options],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "results.json").read_text())["backends"]["sqlite"]
    assert figures["local"].keys() == OPERATIONS.keys()
    for by_concurrency in figures["local"].values():
        assert by_concurrency.keys() == {"1", "16", "64"}
        for subjects in by_concurrency.values():
            assert subjects.keys() == SUBJECTS
            assert all(figures["rate"] > 0 for figures in subjects.values())
    for operation in OPERATIONS:
        assert f"| {operation} |" in done.stdout
    for share in ("50", "80", "95"):
        assert f"| load, {share}% |" in done.stdout
    assert (tmp_path / "throughput.svg").stat().st_size > 0
    assert (tmp_path / "growth.svg").stat().st_size > 0
