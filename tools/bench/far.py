"""The network between: the same database, further away."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from servers.discovery import accepts, built, free_port, need, run_to_end, running

_SOURCE = Path(__file__).parent / "latency"


@contextmanager
def latency(options: Mapping[str, Any], milliseconds: float, place: Path) -> Iterator[Any]:
    """Give the options of the same database, further away by this time for the way and back."""
    need(("go",), ())
    (key,) = {"url", "endpoint"} & options.keys()
    parts = urlsplit(options[key])
    port = free_port()
    folder = built("latency", [_SOURCE / "main.go"], _build)
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


def _build(folder: Path) -> None:
    run_to_end("go", "build", "-o", str(folder / "latency"), ".", directory=_SOURCE)
