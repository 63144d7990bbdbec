"""Each package builds, passes the index's checks, and installs alone."""

import json
import re
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import environment
import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from release.building import build, run
from release.package import CORE, Package
from release.trying import Environment, address_for, first_example, use, words_of_install

PACKAGES = [Package(folder) for folder in environment.packages()]
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
INSTALLED = """
import importlib, json, sys
from importlib.metadata import distributions
importlib.import_module(sys.argv[1])
print(json.dumps([d.name.lower().replace("-", "_") for d in distributions()]))
"""


def short_name(package: Package) -> str:
    return package.name.removeprefix(CORE).removeprefix("-") or "core"


def wheel_of(built: Path, package: Package) -> Path:
    (wheel,) = built.glob(f"{package.module}-*.whl")
    return wheel


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Path:
    """Build the sdist of every package, and its wheel from the sdist, as a release does."""
    directory = tmp_path_factory.mktemp("dist")
    build(PACKAGES, directory)
    return directory


def test_each_package_is_an_sdist_with_its_tests_and_a_typed_wheel(built):
    assert len(list(built.iterdir())) == 2 * len(PACKAGES)
    for package in PACKAGES:
        names = zipfile.ZipFile(wheel_of(built, package)).namelist()
        assert f"{package.module}/py.typed" in names
        assert {name.split("/")[0].partition("-")[0] for name in names} == {package.module}
        with tarfile.open(*built.glob(f"{package.module}-*.tar.gz")) as sdist:
            contents = {name.partition("/")[2] for name in sdist.getnames()}
        tests = {
            path.relative_to(package.folder).as_posix()
            for path in package.folder.glob("tests/**/*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert contents >= tests | {"pytest.toml", "tools/servers/plugin.py", "CHANGELOG.md"}


@pytest.mark.parametrize("package", PACKAGES, ids=short_name)
def test_wheel_installs_alone(built, package, tmp_path, monkeypatch):
    # The drivers of the lock are here already.
    monkeypatch.setenv("UV_CONSTRAINT", str(environment.ROOT / "requirements.lock"))
    alone = Environment(tmp_path / "venv", shelf=built)
    alone.install(wheel_of(built, package))
    installed = set(
        json.loads(run(alone.python, "-W", "error", "-c", INSTALLED, package.module, cwd=tmp_path))
    )
    drivers = DRIVERS.get(short_name(package), set())
    assert {"shopify_session_storage", package.module} <= installed
    assert installed <= {"shopify_session_storage", package.module} | drivers
    _, address = first_example(package.readme)
    if address is None:  # else it runs in a dry run of the release
        alone.install(*words_of_install(package.readme))
        with address_for(address) as variables:
            use(alone, package.module, package.readme, variables)


def test_plain_pip_installs_the_wheels(built, tmp_path):
    python = Environment(tmp_path / "venv").python
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index"]
    run(*pip, "--find-links", built, "shopify-session-storage-memory")
    run(python, "-W", "error", "-c", "import shopify_session_storage_memory", cwd=tmp_path)


@pytest.mark.parametrize("package", PACKAGES, ids=short_name)
def test_packages_are_alike(package):
    core = Package(environment.ROOT / "packages" / CORE)
    for key in ("requires-python", "license", "license-files", "authors", "classifiers"):
        assert package.settings["project"][key] == core.settings["project"][key]
    assert package.settings["build-system"] == core.settings["build-system"]
    license_text = (environment.ROOT / "LICENSE").read_bytes()
    assert (package.folder / "LICENSE").read_bytes() == license_text
    assert package.changelog[0].version == package.version
    if package != core:
        own_core = Requirement(package.settings["project"]["dependencies"][0])
        assert own_core.name == CORE
        assert own_core.specifier.contains(core.version)
        assert not own_core.specifier.contains(f"{Version(core.version).major + 1}")


def test_classifiers_name_the_versions_of_python_that_are_tested():
    settings = tomllib.loads((PACKAGES[0].folder / "pyproject.toml").read_text(encoding="utf-8"))
    named = re.findall(r":: (3\.\d+)$", "\n".join(settings["project"]["classifiers"]), re.MULTILINE)
    for workflow in ("ci.yml", "release.yml"):
        text = (environment.ROOT / ".github" / "workflows" / workflow).read_text(encoding="utf-8")
        (tested,) = re.findall(r"python: (\[.*\])$", text, re.MULTILINE)
        assert json.loads(tested) == named
