"""The command line of a release."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from packaging.requirements import Requirement
from servers.discovery import NoServerError

from release.building import ReleaseError, build
from release.checks import problems
from release.package import CORE, Package, find
from release.repository import write_urls
from release.trying import (
    Environment,
    address_for,
    first_example,
    run_tests,
    use,
    words_of_install,
)


def main(arguments: Sequence[str], root: Path) -> int:
    """Do what the command line says in the repository at *root*, and return the exit status."""
    parser = argparse.ArgumentParser(description="Checks, builds and tries a release.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--repository", metavar="OWNER/NAME", help="write [project.urls] everywhere")
    what.add_argument("--dry-run", metavar="PACKAGE", help="all of a release but the upload")
    what.add_argument("--build", metavar="PACKAGE|TAG", help="check it, and build its files")
    what.add_argument("--try", dest="built", type=Path, metavar="FOLDER", help="use built files")
    parser.add_argument("--output", type=Path, default=Path("dist"), help="for --build (dist)")
    parser.add_argument("--notes", type=Path, help="for --build: write the release notes there")
    parser.add_argument(
        "--beside",
        action="store_true",
        help="for --try: take the other packages from this repository, not from the index",
    )
    parser.add_argument(
        "--python",
        action="append",
        metavar="PYTHON",
        help="an interpreter to try with (may be repeated; default: this one)",
    )
    options = parser.parse_args(arguments)
    pythons = options.python or [sys.executable]
    try:
        if options.repository:
            for package in _all(root):
                write_urls(package, options.repository)
        elif options.dry_run:
            return _dry_run(find(root, options.dry_run), pythons)
        elif options.build:
            _build(options.build, root, options.output, options.notes)
        else:
            (sdist,) = options.built.glob("*.tar.gz")
            package = find(root, sdist.name.rpartition("-")[0].replace("_", "-"))
            _try(package, options.built, pythons, beside=options.beside)
    except (ReleaseError, NoServerError, ValueError) as error:
        print(f"REFUSED: {error}", file=sys.stderr)
        return 1
    return 0


def _all(root: Path) -> list[Package]:
    return [Package(path.parent) for path in sorted(root.glob("packages/*/pyproject.toml"))]


def _core(package: Package) -> Package:
    return Package(package.folder.with_name(CORE))


def _build(name: str, root: Path, output: Path, notes: Path | None) -> None:
    package = find(root, name)
    found = problems(package, _core(package), name if name != package.name else None)
    if found:
        raise ReleaseError("\n".join(found))
    _say(f"building {package.tag}")
    build([package], output)
    if notes is not None:
        notes.write_text(package.changelog[0].text + "\n", encoding="utf-8")


def _dry_run(package: Package, pythons: Sequence[str]) -> int:
    """Do all the steps, also after a problem, so that all problems are seen at once."""
    found = problems(package, _core(package), package.tag)
    _say(f"building {package.tag}")
    with tempfile.TemporaryDirectory(prefix="release-") as directory:
        built = Path(directory) / "dist"
        build([package], built)
        for file in sorted(built.iterdir()):
            print(f"  {file.name}, {file.stat().st_size / 1024:.0f} kB")
        _try(package, built, pythons, beside=True)
    notes = package.changelog[0].text if package.changelog else ""
    _say(f"the notes of {package.tag}")
    print(notes)
    for problem in found:
        print(f"REFUSED: {problem}", file=sys.stderr)
    return 1 if found else 0


def _try(package: Package, built: Path, pythons: Sequence[str], *, beside: bool) -> None:
    (wheel,) = built.glob("*.whl")
    (sdist,) = built.glob("*.tar.gz")
    _, variable = first_example(package.readme)
    with tempfile.TemporaryDirectory(prefix="try-") as directory:
        shelf = Path(directory) / "shelf"
        # Core's example and tests use adapters, which cannot be on the index before core.
        if beside or package.name == CORE:
            build(_needed(package), shelf)
        with address_for(variable) as variables:
            for number, python in enumerate(pythons):
                place = Path(directory) / str(number)
                made = Environment(place / "venv", python, shelf if shelf.exists() else None)
                _say(f"its README's example, installed alone, on {made.version}")
                made.install(wheel, *words_of_install(package.readme))
                use(made, package.module, package.readme, variables)
                if number == 0:  # once, since the repository's CI runs them on each
                    _say(f"the sdist's tests, on {made.version}")
                    run_tests(made, sdist, place, collect=variable is not None)


def _needed(package: Package) -> list[Package]:
    """Return the other packages of the repository that it, its example or its tests install."""
    groups = package.settings["dependency-groups"]
    required = [*package.settings["project"]["dependencies"], *groups["test"]]
    names = {Requirement(each).name for each in [*required, *words_of_install(package.readme)]}
    others = _all(package.folder.parents[1])
    return [other for other in others if other.name in names and other != package]


def _say(step: str) -> None:
    print(f"--- {step}", flush=True)
