"""The two sides, and the matrix of what has been shown."""

from collections.abc import Iterator
from typing import Any

import pytest
import pytest_asyncio
from interop import matrix
from interop.app_tables import APP_TABLES
from interop.backends import BACKENDS, Backend
from interop.peer import Peer, running_peer

# By the id of the test: the statement that it shows and the backend; whether it has passed.
_statements: dict[str, tuple[str, str]] = {}
_passed: dict[str, bool] = {}


@pytest.fixture(scope="session")
def peer() -> Iterator[Peer]:
    """Return the Node process with the official adapters."""
    with running_peer() as peer:
        yield peer


@pytest.fixture(params=[*BACKENDS, *APP_TABLES], ids=lambda backend: backend.id)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Return each backend in turn."""
    chosen: Backend = request.param
    return chosen


@pytest_asyncio.fixture
async def space(backend: Backend, request: pytest.FixtureRequest, tmp_path):
    """Return an empty database that both languages can open."""
    url = request.getfixturevalue(backend.fixture) if backend.fixture else ""
    async with backend.space(url, tmp_path) as space:
        yield space


@pytest_asyncio.fixture
async def python(space):
    """Return a storage of ours on the database, which it has created."""
    async with space.python() as storage:
        yield storage


@pytest_asyncio.fixture
async def javascript(space, python, backend: Backend, peer: Peer):
    """Return an official adapter on the database, after ours has created it."""
    async with peer.open(backend.opened_as, space.javascript) as storage:
        yield storage


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--write-matrix``."""
    parser.addoption(
        "--write-matrix",
        action="store_true",
        help="write the matrix of tools/interop/README.md as this run shows it",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest of the marker."""
    config.addinivalue_line("markers", "shows(statement): a row of the matrix in README.md")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Note what the tests show, before any of them is deselected."""
    for item in items:
        marker = item.get_closest_marker("shows")
        if marker is not None and isinstance(item, pytest.Function):
            values = item.callspec.params
            other = {"JavaScript": "Python", "Python": "JavaScript"}.get(values.get("writer", ""))
            statement = marker.args[0].format(**values, reader=other)
            _statements[item.nodeid] = (statement, values["backend"].name)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep in mind what has passed."""
    _passed[report.nodeid] = _passed.get(report.nodeid, True) and report.passed


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Note what the tests show that a worker of pytest-xdist has collected."""
    _statements.update(node.workeroutput.get("statements", {}))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the matrix, or check that the README has it; if all its tests ran."""
    if hasattr(session.config, "workeroutput"):  # it sees some of the tests
        session.config.workeroutput["statements"] = _statements
        return
    if not _statements or not _statements.keys() <= _passed.keys():
        return
    shown: dict[tuple[str, str], bool] = {}
    for nodeid, place in _statements.items():
        shown[place] = shown.get(place, True) and _passed[nodeid]
    text = matrix.text(shown)
    if session.config.getoption("--write-matrix"):
        matrix.write(text)
    elif all(shown.values()) and not matrix.is_written(text):
        print("\ntools/interop/README.md is not what this run shows; see --write-matrix")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
