"""The pytest plugin that gives tests their servers.

A backend's tests are skipped only if ``--without NAME`` asks for it; the skips are counted at the
end of the run.
"""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from servers.discovery import Server
from servers.dynamodb import DYNAMODB
from servers.kv import KV, TOKEN
from servers.mongodb import MONGODB
from servers.mysql import MYSQL
from servers.postgresql import POSTGRESQL
from servers.redis import REDIS
from servers.redis_cluster import cluster

_REASON = "--without "

# How long an example takes says how busy the machine is.
settings.register_profile("without deadlines", deadline=None)
settings.load_profile("without deadlines")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--without``, ``--times`` and ``--whole-battery``."""
    parser.addoption(
        "--without",
        action="append",
        default=[],
        metavar="BACKEND",
        help="skip the tests that need this backend's server (may be repeated)",
    )
    parser.addoption(
        "--times",
        type=int,
        default=8,
        metavar="N",
        help="how often the tests of access tokens rotate, kill, cut and cancel, and how many "
        "calls each thread of test_sync_load.py makes (8)",
    )
    parser.addoption(
        "--whole-battery",
        action="store_true",
        help="run all of the battery on every kind of connection and through the facade on every "
        "adapter, not only what could differ there",
    )


class Progress:
    """Names each failure as soon as it is known, and says once a minute how far the run is."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._ended = self._minutes = 0

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Note when it began."""
        self._session, self._began = session, time.monotonic()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write the name of what has failed."""
        if report.failed:
            self._write(f"FAILED {report.nodeid} ({report.when})", red=True)

    def pytest_runtest_logfinish(self) -> None:
        """Count the test."""
        self._ended += 1
        minutes = int((time.monotonic() - self._began) / 60)
        if minutes > self._minutes:
            self._minutes = minutes
            self._write(f"--- {minutes} min: {self._ended} of {self._session.testscollected} tests")

    def _write(self, line: str, **markup: bool) -> None:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None:
            terminal.ensure_newline()
            terminal.write_line(line, **markup)


def pytest_configure(config: pytest.Config) -> None:
    """See that progress is told, once where several workers share the tests."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Progress(config))


def skip_if_unwanted(config: pytest.Config, name: str) -> None:
    """Skip all tests that use the fixture, if the user goes without this backend."""
    if name in config.getoption("--without"):
        pytest.skip(f"{_REASON}{name}")


def _url_of(server: Server) -> Any:
    """Return the fixture with the URL of a server on which tests may do what they like."""

    @pytest.fixture(scope="session", name=f"{server.name}_url")
    def url(pytestconfig: pytest.Config) -> Iterator[str]:
        skip_if_unwanted(pytestconfig, server.name)
        with server.run() as url:
            yield url

    return url


@pytest.fixture(scope="session")
def times(pytestconfig: pytest.Config) -> int:
    """Return how often to repeat what happens at a random moment."""
    number: int = pytestconfig.getoption("--times")
    return number


dynamodb_url = _url_of(DYNAMODB)
mongodb_url = _url_of(MONGODB)
mysql_url = _url_of(MYSQL)
postgresql_url = _url_of(POSTGRESQL)
redis_url = _url_of(REDIS)


@pytest.fixture(scope="session")
def kv_url(pytestconfig: pytest.Config) -> Iterator[str]:
    """Return the URL of a KV namespace; its token is in CLOUDFLARE_API_TOKEN meanwhile."""
    skip_if_unwanted(pytestconfig, KV.name)
    with pytest.MonkeyPatch.context() as environment, KV.run() as url:
        environment.setenv("CLOUDFLARE_API_TOKEN", TOKEN)
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
