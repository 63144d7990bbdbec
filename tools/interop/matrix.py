"""The matrix of ``README.md``: what a run of the tests has shown, and with which versions."""

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version

from interop.backends import BACKENDS
from interop.differences import DIFFERENCES, FURTHER
from interop.peer import HERE, PACKAGES

README = HERE / "README.md"
_BEGIN = "<!-- written by the tests: begin -->\n"
_VERSIONS = "Shown with:\n"
_END = "<!-- written by the tests: end -->\n"


def text(shown: Mapping[tuple[str, str], bool]) -> str:
    """Return the matrix as Markdown.

    Args:
        shown: Whether all tests passed, by the statement that they show and the backend, in the
            order of the rows.
    """
    names = [backend.name for backend in BACKENDS]
    statements = list(dict.fromkeys(statement for statement, _ in shown))
    marks = {True: "✓", False: "FAILED", None: "-"}
    rows = [[each, *(marks[shown.get((each, name))] for name in names)] for each in statements]
    parts = [
        _table(["", *names], rows),
        "What is not kept, or differs. The tests expect nothing else:\n",
        _table(["", *names], _differences(names)),
        _VERSIONS,
        _table(["", "JavaScript", "Python"], [_versions(backend.name) for backend in BACKENDS]),
    ]
    return "\n".join(parts)


def is_written(matrix: str) -> bool:
    """Tell whether the README has the matrix, with these versions or others."""
    written = README.read_text(encoding="utf-8").partition(_BEGIN)[2]
    return bool(written) and written.startswith(matrix.partition(_VERSIONS)[0])


def write(matrix: str) -> None:
    """Put the matrix into the README."""
    before, _, rest = README.read_text(encoding="utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    README.write_text(f"{before}{_BEGIN}{matrix}{_END}{after}", encoding="utf-8")


def _differences(names: Sequence[str]) -> list[list[str]]:
    facts = [(each.what, each.backends) for each in DIFFERENCES] + list(FURTHER.items())
    return [[what, *("yes" if name in where else "" for name in names)] for what, where in facts]


def versions(name: str) -> str:
    """Return the versions of both sides for a backend."""
    return "; ".join(_versions(name)[1:])


def _versions(name: str) -> list[str]:
    packages = json.loads(PACKAGES.read_text(encoding="utf-8"))["dependencies"]
    backend = next(backend for backend in BACKENDS if backend.name == name)
    their_name = name.removesuffix("-style")
    theirs = [f"@shopify/shopify-app-session-storage-{their_name}", *backend.javascript_drivers]
    ours = [f"shopify-session-storage-{name}", *backend.python_drivers]
    return [
        name,
        ", ".join(f"{_short(package)} {packages[package]}" for package in theirs),
        ", ".join(f"{_short(package)} {version(package)}" for package in ours),
    ]


def _short(package: str) -> str:
    return package.rpartition("shopify-app-")[2].removeprefix("shopify-")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
