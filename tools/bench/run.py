"""Measures one backend: its subjects in turn, on one server."""

import os
import platform
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from interop.backends import Backend

from bench.databases import databases
from bench.node import node
from bench.rounds import Pace, Rounds
from bench.subjects import OURS, Subject, subjects_of
from bench.workload import OPERATIONS

STORED = 1000
# FerretDB, in place of MongoDB, reads all that is stored for each query.
_FEWER_STORED = {"mongodb": 100}
FAR = ("store", "load", "find", "delete 10")
GROWING = ("load", "find")
ARRIVING = ("load", "store")
SHARES = (0.5, 0.8, 0.95)
"""Of the calls per second that can arrive and be answered in time."""

# How far the local servers can be filled in reasonable time.
_LARGEST = {"dynamodb": 10_000, "mongodb": 1000, "kv-style": STORED}
# Those beside which a small database is measured when they have grown.
_PAIRED = ("sqlite", "postgresql", "mysql", "redis")
SMALL = Subject(f"ours at {STORED:,}", OURS.module)


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
    command = [str(node()), "--version"]
    output = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    return output.strip().removeprefix("v")


def backend(
    backend: Backend, *, pace: Pace, growth: int, uvloop: bool, before: Sequence[Path]
) -> dict[str, Any]:
    """Measure a backend on a private server.

    Args:
        backend: Which.
        pace: How long.
        growth: How many sessions the database is to have in the end.
        uvloop: Whether ours is measured on uvloop, too.
        before: The sources of an older revision of ours, if that is to be measured.

    Returns:
        Figures by setting, operation, concurrency (or number of sessions, or share) and subject.
    """
    subjects = subjects_of(backend.name, uvloop=uvloop, before=before)
    results: dict[str, Any] = {}
    with databases(backend, subjects) as (spaces, one_more, place), ExitStack() as stack:
        rounds = Rounds(backend, stack, spaces, pace)
        fewest = _FEWER_STORED.get(backend.name, STORED)
        rounds.store_more(fewest)
        results["local"] = rounds.measure_all(OPERATIONS)
        results["arrivals"] = _arrivals(rounds, results["local"])
        if backend.server is not None:
            with rounds.latency(place):
                results["latency"] = rounds.measure_all(FAR)
        if backend.name in _PAIRED:
            stack.enter_context(rounds.beside(SMALL, one_more(), STORED))
        results["growth"] = _growth(rounds, fewest, min(growth, _LARGEST.get(backend.name, growth)))
    return results


def _arrivals(rounds: Rounds, local: dict[str, Any]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for operation in ARRIVING:
        reached = {name: run["rate"] for name, run in local[operation]["64"].items()}
        # A call that arrives by itself costs its client more than one of a busy caller.
        full = rounds.measure_arrivals(operation, reached)
        figures[operation] = {
            str(share): rounds.measure_arrivals(
                operation, {name: share * run["rate"] for name, run in full.items()}
            )
            for share in SHARES
        }
    return figures


def _growth(rounds: Rounds, fewest: int, most: int) -> dict[str, Any]:
    figures: dict[str, Any] = {operation: {} for operation in GROWING}
    size = fewest
    while size <= most:
        rounds.store_more(size)
        rounds.setting = f"{size} sessions stored, "
        for operation in GROWING:
            figures[operation][str(size)] = rounds.measure(operation, 16)
        size *= 10
    return figures
