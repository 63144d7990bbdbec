"""Tests go without a server only if they are told to, and say so."""

import subprocess
import sys
from contextlib import nullcontext

import environment
import pytest
from servers.discovery import NoServerError, Server

NOWHERE = Server(
    name="nowhere",
    variable="SHOPIFY_SESSION_STORAGE_NOWHERE_URL",
    container=lambda: nullcontext("from a container"),
    local=lambda directory: nullcontext("from a local binary"),
    programs=("no-such-program",),
    debian_packages=("no-such-package",),
)


@pytest.fixture(autouse=True)
def _no_docker(monkeypatch):
    monkeypatch.setattr("servers.discovery.docker_runs", lambda: False)
    monkeypatch.setattr("servers.discovery.install_debian_packages", lambda names: None)


def test_missing_server_says_what_to_do():
    with pytest.raises(NoServerError) as caught, NOWHERE.run():
        pass
    for hint in (NOWHERE.variable, "Docker", "no-such-package", "--without nowhere"):
        assert hint in str(caught.value)


def test_environment_comes_first_then_docker_then_local(monkeypatch):
    with monkeypatch.context() as context:
        context.setattr("servers.discovery.docker_runs", lambda: True)
        with NOWHERE.run() as url:
            assert url == "from a container"
        context.setenv(NOWHERE.variable, "from the environment")
        with NOWHERE.run() as url:
            assert url == "from the environment"
    monkeypatch.setattr("servers.discovery.program", lambda name: name)
    with NOWHERE.run() as url:
        assert url == "from a local binary"


def test_tests_without_their_server_are_skipped_and_counted():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "packages/shopify-session-storage-postgresql",
         "-k", "TestPostgreSQL and (come_back_exactly or missing_is_true)",
         "--without", "postgresql"],
        cwd=environment.ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NOT TESTED, as asked by --without postgresql: 2 tests" in done.stdout
