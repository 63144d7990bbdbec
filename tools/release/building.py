"""Builds the files of a package: the sdist, and the wheel from the sdist."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

from readme_renderer import markdown

from release.package import Package
from release.repository import with_absolute_links

# What the tests of the packages take from the repository.
_HELPERS = ("environment.py", "golden.py", "servers")
_NOT_SOURCES = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*", "node_modules", "dist")
_RELATIVE = re.compile(r'(?:href|src)="(?!https?:|mailto:|#)([^"]*)"')


class ReleaseError(Exception):
    """Something of a release went wrong; the message says what."""


def run(*command: object, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a command, and return what it prints.

    Raises:
        ReleaseError: If it fails; the message has its output.
    """
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True)
    if done.returncode:
        raise ReleaseError(f"{' '.join(words[:8])} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def build(packages: Sequence[Package], output: Path) -> None:
    """Build an sdist and a wheel of each package, which pass the checks of the index.

    What is built is a copy, in which the links of the README are absolute and the tests have
    beside them what they take from the repository, so that they run from the sdist alone.

    Raises:
        ReleaseError: If it cannot be built, or the index would refuse it.
    """
    output.mkdir(parents=True, exist_ok=True)
    for package in packages:
        with tempfile.TemporaryDirectory(prefix=f"{package.name}-") as directory:
            place = Path(directory) / package.name
            _stage(package, place)
            run(
                sys.executable, "-m", "uv", "build", "--quiet", "--offline",
                "--no-build-isolation", "--python", sys.executable, "--out-dir", output, place,
            )  # fmt: skip
        _check_page(package)
    made = [path for package in packages for path in output.glob(f"{package.module}-*")]
    (output / ".gitignore").unlink(missing_ok=True)  # uv's
    run(sys.executable, "-m", "twine", "--no-color", "check", "--strict", *made)


def _stage(package: Package, place: Path) -> None:
    shutil.copytree(package.folder, place, ignore=_NOT_SOURCES)
    (place / "README.md").write_text(with_absolute_links(package), encoding="utf-8")
    root = package.folder.parents[1]
    for name in _HELPERS:
        source, target = root / "tools" / name, place / "tools" / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=_NOT_SOURCES)
        else:
            target.parent.mkdir(exist_ok=True)
            shutil.copy(source, target)
    workspace = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    settings = {**workspace["tool"]["pytest"], "testpaths": ["tests"]}
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in settings.items()]
    (place / "pytest.toml").write_text("[pytest]\n" + "".join(lines), encoding="utf-8")


def _check_page(package: Package) -> None:
    """See that the index can show the README, and that no link of it leads nowhere there."""
    page = markdown.render(with_absolute_links(package))
    if page is None:
        raise ReleaseError("README.md cannot be rendered")
    relative = _RELATIVE.findall(page)
    if relative and package.urls:
        raise ReleaseError(f"README.md has links that work in the repository alone: {relative}")
