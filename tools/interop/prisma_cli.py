"""Runs Prisma's own commands: what an app's developer does with a schema and a database.

Nothing of it downloads one of Prisma's engines: the commands use what is in the npm packages.
"""

import functools
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Literal

from servers.discovery import built, program

from interop.packages import HERE, PACKAGES, installed_packages

Provider = Literal["sqlite", "postgresql", "mysql"]

SCHEMAS = HERE / "prisma"
_CONFIG = SCHEMAS / "prisma.config.cjs"
_PROVIDERS: tuple[Provider, ...] = ("sqlite", "postgresql", "mysql")


class PrismaError(Exception):
    """What a command of Prisma's said as it failed."""


def schema(provider: Provider) -> Path:
    """Return the file with the models of the tests."""
    return SCHEMAS / f"{provider}.prisma"


@functools.cache
def clients() -> Path:
    """Return the folder with the client that Prisma makes of each schema.

    Raises:
        NoServerError: If Node is missing, or npm or Prisma fails.
    """
    return built("prisma", [PACKAGES, *map(schema, _PROVIDERS)], _generate)


def push(provider: Provider, url: str, models: Path) -> str:
    """Run ``prisma db push``, which makes the database what the schema says.

    Returns:
        What it printed.

    Raises:
        PrismaError: If it fails, also because it would lose data.
    """
    return _run(provider, url, "db", "push", "--skip-generate", "--schema", str(models))


def difference(provider: Provider, url: str, models: Path) -> str:
    """Return the SQL that would make the database what the schema says; "" if it is that.

    Where the commands work with drivers in JavaScript, ``migrate diff`` reads no database. So
    ``db pull`` does, into a copy of the schema.

    Raises:
        PrismaError: If it fails.
    """
    with tempfile.TemporaryDirectory() as directory:
        found = Path(directory) / "found.prisma"
        found.write_bytes(models.read_bytes())
        _run(provider, url, "db", "pull", "--force", "--schema", str(found))
        sql = _run(
            provider, url, "migrate", "diff", "--from-schema-datamodel", str(found),
            "--to-schema-datamodel", str(models), "--script",
        )  # fmt: skip
    return "" if sql.startswith("-- This is an empty migration") else sql


def _run(provider: Provider, url: str, *arguments: str) -> str:
    try:
        return _prisma(*arguments, "--config", str(_CONFIG), PROVIDER=provider, DATABASE_URL=url)
    except subprocess.CalledProcessError as error:
        raise PrismaError(error.stdout) from None


def _generate(folder: Path) -> None:
    (folder / "node_modules").symlink_to(installed_packages())
    for provider in _PROVIDERS:
        copy = folder / schema(provider).name
        copy.write_bytes(schema(provider).read_bytes())
        _prisma("generate", "--schema", str(copy))


def _prisma(*arguments: str, **variables: str) -> str:
    """Run the command, with an empty file in place of the engines that it would download."""
    packages = installed_packages()
    node = program("node")
    assert node is not None
    with tempfile.NamedTemporaryFile() as nothing:
        variables |= {
            "NODE_PATH": str(packages),
            "PRISMA_SCHEMA_ENGINE_BINARY": nothing.name,
            "PRISMA_QUERY_ENGINE_LIBRARY": nothing.name,
            "PRISMA_HIDE_UPDATE_MESSAGE": "1",
            "CHECKPOINT_DISABLE": "1",  # it would look for a newer version
        }
        command = [node, str(packages / "prisma" / "build" / "index.js"), *arguments]
        done = subprocess.run(
            command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=120
        )
    if done.returncode:
        output = done.stdout + done.stderr
        raise subprocess.CalledProcessError(done.returncode, command, output)
    return done.stdout
