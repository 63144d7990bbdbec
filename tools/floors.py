"""Runs the battery on the oldest drivers that the packages allow, in an environment of its own.

python3 tools/floors.py                  every adapter
python3 tools/floors.py -- -k Redis      arguments after -- go to pytest
"""

import environment

environment.enter()

import re  # noqa: E402  # the environment comes first
import subprocess  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

VENV = environment.ROOT / ".cache" / "floors"

# What the tests themselves need, in the versions of the lock; no package requires any of it.
TOOLS = (
    "asyncmy", "cryptography", "hypothesis", "psycopg", "psycopg-binary", "pytest",
    "pytest-asyncio", "shopifyapp", "testcontainers", "trustme",
)  # fmt: skip

# The driver that an adapter leaves to an extra.
EXTRAS = {"shopify-session-storage-kv-style": "[cloudflare]"}


def locked(name: str) -> str:
    """Return the requirement of a tool in the version that the lock pins."""
    lock = (environment.ROOT / "requirements.lock").read_text()
    found = re.search(rf"^{re.escape(name)}==[^\s\\;]+", lock, re.MULTILINE)
    assert found is not None, f"{name} is not in the lock"
    return found.group()


def prepare() -> Path:
    """Make the environment, and return its Python."""
    uv = [sys.executable, "-m", "uv"]
    python = VENV / "bin" / "python"
    subprocess.run([*uv, "venv", "--quiet", "--clear", str(VENV)], check=True)
    editable = [
        word
        for package in environment.packages()
        for word in ("--editable", f"{package}{EXTRAS.get(package.name, '')}")
    ]
    oldest = ["--resolution", "lowest-direct"]
    subprocess.run(
        [*uv, "pip", "install", "--quiet", "--python", str(python), *oldest, *editable,
         *map(locked, TOOLS)],
        check=True,
    )  # fmt: skip
    return python


def main(arguments: list[str]) -> int:
    """Run the batteries, and return the exit status."""
    python = prepare()
    shown = subprocess.run(
        [sys.executable, "-m", "uv", "pip", "list", "--python", str(python), "--format", "freeze"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    drivers = "aioboto3|aiobotocore|aiomysql|aiosqlite|asyncpg|httpx|motor|pymongo|redis|sqlalchemy"
    print("\n".join(re.findall(rf"^(?:{drivers})==.*$", shown, re.MULTILINE)), flush=True)
    tests = sorted(
        environment.ROOT.glob("packages/shopify-session-storage-*/tests/test_battery.py")
    )
    return subprocess.run(
        [str(python), "-m", "pytest", *map(str, tests), *arguments], cwd=environment.ROOT
    ).returncode


if __name__ == "__main__":
    given = sys.argv[1:]
    sys.exit(main(given[given.index("--") + 1 :] if "--" in given else []))
