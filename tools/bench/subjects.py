"""What is compared on each backend, each subject in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interop.packages import installed_packages
from servers.discovery import talking

from bench.node import node

HERE = Path(__file__).parent

# The official adapters know no TLS, so nobody uses it.
_WITHOUT_TLS = {"postgresql": "?sslmode=disable", "mysql": "?ssl-mode=DISABLED"}


@dataclass(frozen=True)
class Subject:
    """One of those that take turns.

    Attributes:
        name: In the report.
        module: Where its Python is; None for the official adapter.
        loop: The event loop that it runs on.
        path: Folders that its imports look in first.
    """

    name: str
    module: str | None
    loop: str = "asyncio"
    path: tuple[Path, ...] = ()


OURS = Subject("ours", "bench.ours")
RAW = Subject("raw", "bench.raw")
JAVASCRIPT = Subject("JavaScript", None)
WITH_WAL = Subject("JavaScript with WAL", None)

_FURTHER = {
    "sqlite": (WITH_WAL,),
    "postgresql": (Subject("raw without reset", "bench.raw_without_reset"),),
    "redis": (Subject("ours with a cache", "bench.cached"),),
}


def subjects_of(backend: str, *, uvloop: bool, before: Sequence[Path]) -> list[Subject]:
    """Return who takes turns on a backend.

    Args:
        backend: Its name.
        uvloop: Whether ours runs on uvloop, too.
        before: The sources of an older revision of ours, if that is to be measured.
    """
    subjects = [OURS, RAW, JAVASCRIPT, *_FURTHER.get(backend, ())]
    if uvloop:
        subjects.append(Subject("ours on uvloop", "bench.ours", loop="uvloop"))
    if before:
        subjects.append(Subject("ours before", "bench.ours", path=tuple(before)))
    return subjects


class Worker:
    """A process that runs one subject."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._read()

    def measure(self, **request: Any) -> dict[str, float]:
        """Have callers make calls, and return what ``figures.py`` has; see ``measuring.py``."""
        return self._ask(op="measure", **request)

    def arrive(self, **request: Any) -> dict[str, float]:
        """Have calls arrive, and return the same; see ``arrivals.py``."""
        return self._ask(op="arrive", **request)

    def prepare(self, first: int, count: int) -> None:
        """Have sessions stored."""
        self._ask(op="prepare", first=first, count=count)

    def settle(self) -> None:
        """Have the server take notice of what has been stored."""
        self._ask(op="settle")

    def _ask(self, **request: Any) -> dict[str, float]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a subject has ended: {self._process.args!r}")
        answer: dict[str, float] = json.loads(line)
        return answer


@contextmanager
def working(subject: Subject, backend: str, options: Mapping[str, Any]) -> Iterator[Worker]:
    """Run a subject on the database that *options* name."""
    options = dict(options)
    if subject.module is None:
        command = [str(node()), str(HERE / "worker.cjs"), backend]
        environment = {"NODE_PATH": str(installed_packages())}
    else:
        command = [sys.executable, "-m", "bench.worker", subject.loop, subject.module, backend]
        folders = [*subject.path, HERE.parent]
        environment = {"PYTHONPATH": ":".join(str(folder) for folder in folders)}
        if backend in _WITHOUT_TLS:
            options["url"] += _WITHOUT_TLS[backend]
    with talking([*command, json.dumps(options)], environment=environment) as process:
        yield Worker(process)
