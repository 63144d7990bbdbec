"""The pytest plugin that gives tests their servers.

A backend's tests are skipped only if ``--without NAME`` asks for it; the skips are counted at the
end of the run.
"""

from collections import Counter
from collections.abc import Iterator

import pytest

from servers.dynamodb import DYNAMODB
from servers.kv import KV, TOKEN
from servers.mongodb import MONGODB
from servers.mysql import MYSQL
from servers.postgresql import POSTGRESQL
from servers.redis import REDIS, cluster

_REASON = "--without "


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--without``."""
    parser.addoption(
        "--without",
        action="append",
        default=[],
        metavar="BACKEND",
        help="skip the tests that need this backend's server (may be repeated)",
    )


def skip_if_unwanted(config: pytest.Config, name: str) -> None:
    """Skip all tests that use the fixture, if the user goes without this backend."""
    if name in config.getoption("--without"):
        pytest.skip(f"{_REASON}{name}")


@pytest.fixture(scope="session")
def dynamodb_url(pytestconfig: pytest.Config) -> Iterator[str]:
    """Return the endpoint of a DynamoDB on which tests may do what they like."""
    skip_if_unwanted(pytestconfig, DYNAMODB.name)
    with DYNAMODB.run() as url:
        yield url


@pytest.fixture(scope="session")
def kv_url(pytestconfig: pytest.Config) -> Iterator[str]:
    """Return the URL of a KV namespace; its token is in CLOUDFLARE_API_TOKEN meanwhile."""
    skip_if_unwanted(pytestconfig, KV.name)
    with pytest.MonkeyPatch.context() as environment, KV.run() as url:
        environment.setenv("CLOUDFLARE_API_TOKEN", TOKEN)
        yield url


@pytest.fixture(scope="session")
def mongodb_url(pytestconfig: pytest.Config) -> Iterator[str]:
    """Return the URL of a MongoDB database on which tests may do what they like."""
    skip_if_unwanted(pytestconfig, MONGODB.name)
    with MONGODB.run() as url:
        yield url


@pytest.fixture(scope="session")
def mysql_url(pytestconfig: pytest.Config) -> Iterator[str]:
    """Return the URL of a MySQL or MariaDB server on which tests may do what they like."""
    skip_if_unwanted(pytestconfig, MYSQL.name)
    with MYSQL.run() as url:
        yield url


@pytest.fixture(scope="session")
def postgresql_url(pytestconfig: pytest.Config) -> Iterator[str]:
    """Return the URL of a PostgreSQL server on which tests may do what they like."""
    skip_if_unwanted(pytestconfig, POSTGRESQL.name)
    with POSTGRESQL.run() as url:
        yield url


@pytest.fixture(scope="session")
def redis_url(pytestconfig: pytest.Config) -> Iterator[str]:
    """Return the URL of a Redis server on which tests may do what they like."""
    skip_if_unwanted(pytestconfig, REDIS.name)
    with REDIS.run() as url:
        yield url


@pytest.fixture(scope="session")
def redis_cluster_url(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Return the URL of a cluster of three masters, always from local binaries."""
    skip_if_unwanted(pytestconfig, REDIS.name)
    with cluster(tmp_path_factory.mktemp("redis-cluster")) as url:
        yield url


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what has been skipped, and why: on request, or for want of the real server."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    )
    for reason, count in sorted(reasons.items()):
        asked = "as asked by " if reason.startswith(_REASON) else ""
        terminalreporter.write_line(f"NOT TESTED, {asked}{reason}: {count} tests", yellow=True)
