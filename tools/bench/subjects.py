"""The three subjects of a backend, each in a process of its own, and the network between."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from interop.packages import installed_packages
from servers.discovery import accepts, built, free_port, need, run_to_end, running, talking

HERE = Path(__file__).parent
SUBJECTS = ("ours", "raw", "JavaScript")

# The official adapters know no TLS, so nobody uses it.
_WITHOUT_TLS = {"postgresql": "?sslmode=disable", "mysql": "?ssl-mode=DISABLED"}


class Worker:
    """A process that runs one subject."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._read()

    def measure(
        self, operation: str, *, first: int, stored: int, count: int, concurrency: int
    ) -> dict[str, float]:
        """Have an operation of ``workload.py`` run, and return what ``measuring.py`` measured."""
        return self._ask(
            op="measure",
            operation=operation,
            first=first,
            stored=stored,
            count=count,
            concurrency=concurrency,
        )

    def prepare(self, first: int, count: int) -> None:
        """Have sessions stored."""
        self._ask(op="prepare", first=first, count=count)

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
def working(subject: str, backend: str, options: Mapping[str, Any]) -> Iterator[Worker]:
    """Run a subject on the database that *options* name."""
    options = dict(options)
    if subject == "JavaScript":
        command = ["node", str(HERE / "worker.cjs"), backend]
        environment = {"NODE_PATH": str(installed_packages())}
    else:
        command = [sys.executable, "-m", "bench.worker", subject, backend]
        environment = {"PYTHONPATH": str(HERE.parent)}
        if backend in _WITHOUT_TLS:
            options["url"] += _WITHOUT_TLS[backend]
    with talking([*command, json.dumps(options)], environment=environment) as process:
        yield Worker(process)


@contextmanager
def latency(options: Mapping[str, Any], milliseconds: float, place: Path) -> Iterator[Any]:
    """Give the options of the same database, further away by this time for the way and back."""
    need(("go",), ())
    (key,) = {"url", "endpoint"} & options.keys()
    parts = urlsplit(options[key])
    port = free_port()
    folder = built("latency", [HERE / "latency" / "main.go"], _build_latency)
    command = [
        str(folder / "latency"),
        f"127.0.0.1:{port}",
        f"{parts.hostname}:{parts.port}",
        f"{milliseconds / 2}ms",
    ]
    login = parts.netloc.rpartition("@")
    netloc = f"{login[0]}{login[1]}127.0.0.1:{port}"
    with running(command, directory=place, answers=lambda: accepts(port)):
        yield {**options, key: urlunsplit(parts._replace(netloc=netloc))}


def _build_latency(folder: Path) -> None:
    run_to_end("go", "build", "-o", str(folder / "latency"), ".", directory=HERE / "latency")
