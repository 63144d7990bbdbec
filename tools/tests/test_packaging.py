"""Each package builds, passes the index's checks, and installs alone with plain pip."""

import json
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import environment
import pytest

PACKAGES = environment.packages()
AWS_SDK = {
    "aioboto3", "aiobotocore", "aiofiles", "aiohappyeyeballs", "aiohttp", "aioitertools",
    "aiosignal", "attrs", "boto3", "botocore", "frozenlist", "idna", "jmespath", "multidict",
    "propcache", "python_dateutil", "s3transfer", "six", "typing_extensions", "urllib3",
    "wrapt", "yarl",
}  # fmt: skip
# What each package may bring with it besides core.
DRIVERS = {
    "dynamodb": AWS_SDK,
    "kv-style": set(),
    "memory": set(),
    "mongodb": {"dnspython", "motor", "pymongo"},
    "mysql": {"aiomysql", "pymysql"},
    "postgresql": {"asyncpg"},
    "redis": {"redis"},
    "sqlalchemy": {"greenlet", "sqlalchemy", "typing_extensions"},
    "sqlite": {"aiosqlite", "typing_extensions"},
}
SMOKE = """
import asyncio, importlib, json, sys
from importlib.metadata import distributions
module = importlib.import_module(sys.argv[1])
if len(sys.argv) > 2:
    from shopify_session_storage import Session, open_session_storage
    async def main():
        async with open_session_storage(sys.argv[2], on_error="raise") as storage:
            session = Session(id="a", shop="b", state="", is_online=False)
            await storage.store_session(session)
            assert session.equals(await storage.load_session("a"))
    asyncio.run(main())
print(json.dumps([d.name.lower().replace("-", "_") for d in distributions()]))
"""
URLS = {"memory": "memory://", "sqlite": "sqlite:///smoke.db"}


def settings(package: Path) -> dict:
    return tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))


def short_name(package: Path) -> str:
    return package.name.removeprefix("shopify-session-storage").removeprefix("-") or "core"


def run(*command: object, cwd: Path | None = None) -> str:
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Path:
    """Build the sdist of every package, and its wheel from the sdist."""
    directory = tmp_path_factory.mktemp("dist")
    for package in PACKAGES:
        run(sys.executable, "-m", "build", "--no-isolation", "--outdir", directory, package)
    return directory


def test_distributions_pass_the_checks_of_the_index(built):
    files = sorted(built.iterdir())
    assert len(files) == 2 * len(PACKAGES)
    run(sys.executable, "-m", "twine", "check", "--strict", *files)


@pytest.mark.parametrize("package", PACKAGES, ids=short_name)
def test_wheel_installs_alone(built, package, tmp_path):
    module = package.name.replace("-", "_")
    (wheel,) = built.glob(f"{module}-*.whl")
    assert f"{module}/py.typed" in zipfile.ZipFile(wheel).namelist()
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--find-links", built, wheel)
    url = URLS.get(short_name(package))
    output = run(python, "-W", "error", "-c", SMOKE, module, *([url] if url else []), cwd=tmp_path)
    run(python.with_name("shopify-sessions"), "--help")
    installed = set(json.loads(output)) - {"pip", "setuptools"}
    drivers = DRIVERS.get(short_name(package), set())
    assert {"shopify_session_storage", module} <= installed
    assert installed <= {"shopify_session_storage", module} | drivers


@pytest.mark.parametrize("package", PACKAGES, ids=short_name)
def test_packages_are_alike(package):
    core = settings(environment.ROOT / "packages" / "shopify-session-storage")
    mine = settings(package)
    for key in ("requires-python", "license", "license-files", "authors", "classifiers"):
        assert mine["project"][key] == core["project"][key]
    assert mine["build-system"] == core["build-system"]
    assert (package / "LICENSE").read_bytes() == (environment.ROOT / "LICENSE").read_bytes()
    if package.name != "shopify-session-storage":
        major = int(core["project"]["version"].split(".")[0])
        own_core = f"shopify-session-storage>={major},<{major + 1}"
        assert mine["project"]["dependencies"][0] == own_core
    changelog = (package / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+)", changelog, re.MULTILINE)
    assert newest is not None
    assert newest[1] == mine["project"]["version"]
