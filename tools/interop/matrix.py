"""The matrix of ``README.md``: what a run of the tests has shown, and with which versions."""

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version

from interop.app_tables import APP_TABLES
from interop.backends import BACKENDS, Backend
from interop.differences import DIFFERENCES, FURTHER
from interop.packages import HERE, PACKAGES

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
    all_backends = [*BACKENDS, *APP_TABLES]
    parts = [
        "Where the adapters make the tables:\n",
        *_part(shown, BACKENDS),
        "In tables that an app defines, with Prisma or Drizzle:\n",
        *_part(shown, APP_TABLES),
        _VERSIONS,
        _table(["", "JavaScript", "Python"], map(_versions, all_backends)),
    ]
    return "\n".join(parts)


def _part(shown: Mapping[tuple[str, str], bool], backends: Sequence[Backend]) -> list[str]:
    names = [backend.name for backend in backends]
    statements = dict.fromkeys(statement for statement, name in shown if name in names)
    marks = {True: "✓", False: "FAILED", None: "-"}
    rows = [[each, *(marks[shown.get((each, name))] for name in names)] for each in statements]
    return [
        _table(["", *names], rows),
        "What is not kept, or differs. The tests expect nothing else:\n",
        _table(["", *names], _differences(names)),
    ]


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
    return [
        [what, *("yes" if name in where else "" for name in names)]
        for what, where in facts
        if not where.isdisjoint(names)
    ]


def versions(name: str) -> str:
    """Return the versions of both sides for a backend."""
    return "; ".join(_versions(next(one for one in BACKENDS if one.name == name))[1:])


def _versions(backend: Backend) -> list[str]:
    packages = json.loads(PACKAGES.read_text(encoding="utf-8"))["dependencies"]
    theirs = [backend.official_package, *backend.javascript_drivers]
    ours = [backend.our_package, *backend.python_drivers]
    return [
        backend.name,
        ", ".join(f"{_short(package)} {packages[package]}" for package in theirs),
        ", ".join(f"{_short(package)} {version(package)}" for package in ours),
    ]


def _short(package: str) -> str:
    return package.rpartition("shopify-app-")[2].removeprefix("shopify-")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
