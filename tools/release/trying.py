"""Installs what was built as a user does, alone in a new environment, and uses it."""

import os
import re
import shlex
import sys
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from servers.discovery import Server
from servers.dynamodb import DYNAMODB
from servers.kv import KV, TOKEN
from servers.mongodb import MONGODB
from servers.mysql import MYSQL
from servers.postgresql import POSTGRESQL
from servers.redis import REDIS

from release.building import run

SERVERS = {
    f"{server.name.upper()}_URL": server
    for server in (DYNAMODB, KV, MONGODB, MYSQL, POSTGRESQL, REDIS)
}
_EXAMPLE = re.compile(
    r"^(?:<!-- needs (?P<address>\w+) -->\n)?```python\n(?P<source>.*?)^```",
    re.DOTALL | re.MULTILINE,
)
_INSTALL = re.compile(r"^pip install (?P<words>.*)$", re.MULTILINE)
_VERSION = """
import importlib, importlib.metadata, sys
assert importlib.import_module(sys.argv[1]).__version__ == importlib.metadata.version(sys.argv[2])
"""


class Environment:
    """A virtual environment without anything of the repository."""

    def __init__(
        self, place: Path, python: str = sys.executable, shelf: Path | None = None
    ) -> None:
        """Make it.

        Args:
            place: Where.
            python: The interpreter: a path, or a version for which uv looks.
            shelf: A folder of built files to prefer to the index.
        """
        self._uv = [sys.executable, "-m", "uv"]
        run(*self._uv, "venv", "--quiet", "--no-python-downloads", "--python", python, place)
        self.python = place / "bin" / "python"
        self.version = run(self.python, "--version").strip()
        self._shelf = ["--find-links", str(shelf)] if shelf is not None else []

    def install(self, *what: object) -> None:
        """Install what pip would be told, and see that all that it requires is there."""
        target = ["--quiet", "--python", self.python]
        run(*self._uv, "pip", "install", *target, *self._shelf, *what)
        run(*self._uv, "pip", "check", *target)


def words_of_install(readme: str) -> list[str]:
    """Return what the first ``pip install`` of a README installs."""
    found = _INSTALL.search(readme)
    assert found is not None, "README.md has no pip install"
    return shlex.split(found["words"], comments=True)


def first_example(readme: str) -> tuple[str, str | None]:
    """Return the first example of a README, and the variable for the address that it needs."""
    found = _EXAMPLE.search(readme)
    assert found is not None, "README.md has no example"
    return found["source"], found["address"]


@contextmanager
def address_for(variable: str | None) -> Iterator[dict[str, str]]:
    """Give the environment variables that an example needs, for as long as the context lasts."""
    with ExitStack() as stack:
        variables = dict(os.environ)
        if variable is not None:
            server: Server = SERVERS[variable]
            variables[variable] = stack.enter_context(server.run())
            if server is KV:
                variables["CLOUDFLARE_API_TOKEN"] = TOKEN
        yield variables


def use(environment: Environment, module: str, readme: str, variables: dict[str, str]) -> None:
    """Import the installed package, and run the README's first example in an empty folder.

    Raises:
        ReleaseError: If one of them fails, or warns.
    """
    folder = environment.python.parents[1] / "used"
    folder.mkdir()
    strict = [environment.python, "-W", "error"]
    run(*strict, "-c", _VERSION, module, module.replace("_", "-"), cwd=folder, env=variables)
    source, _ = first_example(readme)
    run(*strict, "-c", source, cwd=folder, env=variables)
    run(environment.python.with_name("shopify-sessions"), "--help", env=variables)


def run_tests(environment: Environment, sdist: Path, place: Path, *, collect: bool) -> None:
    """Unpack an sdist, install what its tests need, and run those that need no server.

    Args:
        environment: Where the package is installed.
        sdist: The sdist.
        place: Where to unpack it.
        collect: Only import and collect the tests, which shows whether anything is missing.

    Raises:
        ReleaseError: If one of them fails.
    """
    with tarfile.open(sdist) as archive:
        archive.extractall(place, filter="data")
    folder = place / sdist.name.removesuffix(".tar.gz")
    environment.install("--group", f"{folder / 'pyproject.toml'}:test")
    options = [word for server in SERVERS.values() for word in ("--without", server.name)]
    if collect:
        options.append("--collect-only")
    run(environment.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, cwd=folder)
