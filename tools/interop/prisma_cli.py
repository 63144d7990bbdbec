"""Runs Prisma's own commands: what an app's developer does with a schema and a database.

Nothing of it downloads one of Prisma's engines: the commands use what is in the npm packages.
"""

import functools
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Literal

from servers.discovery import built, program, run_to_end

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


def create_sql(provider: Provider, url: str, models: Path) -> str:
    """Return the SQL that makes the tables of a schema, which needs a server for it.

    Raises:
        PrismaError: If it fails.
    """
    return _run(
        provider, url, "migrate", "diff", "--from-empty", "--to-schema-datamodel", str(models),
        "--script",
    )  # fmt: skip


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
    command = [*_prisma(), *arguments, "--config", str(_CONFIG)]
    with tempfile.NamedTemporaryFile() as nothing:
        variables = {"PROVIDER": provider, "DATABASE_URL": url, **_without_engines(nothing.name)}
        done = subprocess.run(
            command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=120
        )
    if done.returncode:
        raise PrismaError(done.stdout + done.stderr)
    return done.stdout


def _prisma() -> list[str]:
    node = program("node")
    assert node is not None
    return [node, str(installed_packages() / "prisma" / "build" / "index.js")]


def _without_engines(nothing: str) -> dict[str, str]:
    """Name a file in place of the engines, which Prisma would download and does not use."""
    return {
        "PRISMA_SCHEMA_ENGINE_BINARY": nothing,
        "PRISMA_QUERY_ENGINE_LIBRARY": nothing,
        "PRISMA_HIDE_UPDATE_MESSAGE": "1",
        "CHECKPOINT_DISABLE": "1",  # it would look for a newer version
        "NODE_PATH": str(installed_packages()),
    }


def _generate(folder: Path) -> None:
    (folder / "node_modules").symlink_to(installed_packages())
    for provider in _PROVIDERS:
        copy = folder / schema(provider).name
        copy.write_bytes(schema(provider).read_bytes())
        run_to_end(*_prisma(), "generate", "--schema", copy.name, directory=folder)
