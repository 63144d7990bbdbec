"""Builds what tests need of servers and packages while those tests run that need none of it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from interop import packages, prisma_cli

from servers import dynamodb, kv, mongodb, mysql
from servers.discovery import NoServerError, docker_runs

_ALWAYS = (
    packages.installed_packages,  # takes longest: npm may have to compile SQLite
    mysql.another_binary,
    kv.folder,
    mongodb.ferretdb_binary,
    prisma_cli.clients,
)
_WITHOUT_DOCKER = (dynamodb.jars, mongodb.java_classes)


def _build(build: Callable[[], Path]) -> None:
    with suppress(NoServerError):  # the tests that need it say so
        build()


def main() -> None:
    """Build all, two at a time: npm and Maven wait for the network, Go computes."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(_build, (*_ALWAYS, *(() if docker_runs() else _WITHOUT_DOCKER))))


if __name__ == "__main__":
    main()
