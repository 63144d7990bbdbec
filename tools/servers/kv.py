"""Workers KV: real namespaces in workerd, Cloudflare's runtime, behind the API's documented paths.

There is no image of it, so it always runs on Node.js, with packages that npm installs once.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers.discovery import (
    NoServerError,
    Server,
    accepts,
    built,
    free_port,
    need,
    program,
    run_to_end,
    running,
)

PROGRAMS = ("node", "npm")
NODE = (20, 18)
SOURCES = Path(__file__).parent / "workerd"

ACCOUNT = "0123456789abcdef0123456789abcdef"
NAMESPACES = ("5e5510205e5510205e5510205e551020", "07e407e407e407e407e407e407e407e4")
TOKEN = "test-token_p~+/=="


def folder() -> Path:
    """Return a folder with our scripts and their packages, installed once.

    Raises:
        NoServerError: If Node.js is missing or too old, or the packages cannot be installed.
    """
    need(PROGRAMS, ())
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()
    if tuple(map(int, version.removeprefix("v").split(".")[:2])) < NODE:
        raise NoServerError(
            f"install Node.js {'.'.join(map(str, NODE))} or later; this is {version}"
        )
    return built("workerd", sorted(SOURCES.iterdir()), _install)


def _install(place: Path) -> None:
    for source in SOURCES.iterdir():
        shutil.copy(source, place)
    npm = program("npm")
    assert npm is not None
    # workerd's binary is in a package of its own; the scripts of packages are not needed.
    options = ("--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund")
    run_to_end(npm, "install", *options, directory=place)


@contextmanager
def container() -> Iterator[str]:
    """Run it as without Docker, for want of an image."""
    with tempfile.TemporaryDirectory(prefix="kv-") as directory, local(Path(directory)) as url:
        yield url


@contextmanager
def local(directory: Path, port: int | None = None) -> Iterator[str]:
    """Run it from local binaries; it keeps its data in *directory*."""
    node = program("node")
    place = folder()
    assert node is not None
    port = port or free_port()
    settings = {
        "port": port,
        "directory": str(directory / "kv"),
        "account": ACCOUNT,
        "token": TOKEN,
        "namespaces": NAMESPACES,
    }
    command = [node, str(place / "server.mjs"), json.dumps(settings)]
    with running(command, directory=directory, answers=lambda: accepts(port)):
        yield url_of(port)


def url_of(port: int, namespace: str = NAMESPACES[0]) -> str:
    """Return the URL of a test namespace. Its token is :data:`TOKEN`."""
    return f"cloudflare-kv://{ACCOUNT}/{namespace}?base_url=http://127.0.0.1:{port}/client/v4"


KV = Server(
    name="kv",
    variable="SHOPIFY_SESSION_STORAGE_KV_URL",
    container=container,
    local=local,
    programs=PROGRAMS,
    debian_packages=(),
)
