"""Sets up what the tests need, and runs them.

python3 tools/test.py                     everything
python3 tools/test.py sqlite              the tests of one part (see --help)
python3 tools/test.py core -- -k name     arguments after -- go to pytest
"""

import environment

environment.enter()

import argparse  # noqa: E402  # the environment comes first
import json  # noqa: E402
import os  # noqa: E402
import re  # noqa: E402
import shutil  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from pathlib import Path  # noqa: E402

HERE = environment.ROOT / "tools"
CORE = "packages/shopify-session-storage"

# More failures than these are no accident.
_FEW = 8

# Each has up to ten servers beside it.
_MOST_WORKERS = 4

# Bytes. A few virtual environments of some 100 MB are there at a time.
_ROOM = 4 * 2**30

_ADDRESS = re.compile("SHOPIFY_SESSION_STORAGE_[A-Z]+_URL")


def parts() -> dict[str, list[list[str]]]:
    """Return the commands of each part, by its name. What follows pytest is added at the end."""
    ruff = [sys.executable, "-m", "ruff"]
    # Offline, since what it would ask for changes without a commit.
    zizmor = [str(environment.PYTHON.with_name("zizmor")), "--offline", "--quiet", ".github"]
    sources = [str(path / "src") for path in environment.packages()]
    commands = {
        "lint": [[*ruff, "check"], [*ruff, "format", "--check"], zizmor],
        "types": [[sys.executable, "-m", "mypy", *sources, "tools"]],
        "core": [["pytest", f"{CORE}/tests"]],
    }
    for package in environment.packages():
        name = package.name.removeprefix("shopify-session-storage").removeprefix("-")
        if name:
            commands[name] = [["pytest", f"packages/{package.name}/tests"]]
    commands["interop"] = [["pytest", "tools/interop/tests"]]
    for test in sorted((HERE / "tests").glob("test_*.py")):
        name = test.stem.removeprefix("test_")
        commands[name] = [["pytest", f"tools/tests/{test.name}"]]
    return commands


def main(arguments: Sequence[str]) -> int:
    """Run the parts that *arguments* name, and return the exit status."""
    commands = parts()
    own, for_pytest = _split(arguments)
    parser = argparse.ArgumentParser(
        description="Runs the tests of the project.", usage="%(prog)s [part ...] [-- pytest args]"
    )
    parser.add_argument(
        "part", nargs="*", metavar="part", help=f"one of: {', '.join(commands)}; default: all"
    )
    named = parser.parse_args(own).part
    unknown = [name for name in named if name not in commands]
    if unknown:
        parser.error(f"unknown part {unknown[0]!r}; the parts are: {', '.join(commands)}")

    _keep_files_in_memory()
    if named:
        failed = _failed([(name, commands[name]) for name in named], for_pytest)
    else:  # in a fresh clone npm, Maven and Go take minutes, and much does not need them
        with subprocess.Popen([sys.executable, "-m", "servers.ahead"], cwd=HERE):
            failed = _failed(list(commands.items()), for_pytest)
    if failed:
        print(f"FAILED: {', '.join(dict.fromkeys(failed))}")
    return 1 if failed else 0


def _failed(chosen: Sequence[tuple[str, list[list[str]]]], for_pytest: Sequence[str]) -> list[str]:
    """Run the commands of the parts, and return the names of those that failed."""
    failed = []
    tests: list[str] = []
    for name, commands in chosen:
        for command in commands:
            if command[0] == "pytest":
                tests += command[1:]  # one run of pytest for all, so that servers start once
            elif not _run(name, command):
                failed.append(name)
    if tests and not _passes([sys.executable, "-m", "pytest", *tests], for_pytest):
        failed.append("tests")
    return failed


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    if "--" not in arguments:
        return list(arguments), []
    place = list(arguments).index("--")
    return list(arguments[:place]), list(arguments[place + 1 :])


def _workers() -> list[str]:
    """Return the arguments with which pytest uses all of the machine.

    Tests wait for half of their time, so there are two workers for each core. Each starts servers
    of its own, begins with a part of the tests, and takes over what others have not come to.
    Servers whose addresses are in the environment are there once, and their tests take turns.
    """
    if any(_ADDRESS.fullmatch(name) for name in os.environ):
        return []
    return ["-n", str(min(2 * (os.cpu_count() or 1), _MOST_WORKERS)), "--dist", "worksteal"]


def _keep_files_in_memory() -> None:
    """Have what tests write to ``tmp_path`` in memory, if there is room.

    SQLite waits for the disk with each commit, and other workers keep that busy.
    """
    memory = Path("/dev/shm")
    if (
        memory.is_dir()
        and shutil.disk_usage(memory).free > _ROOM
        and not os.statvfs(memory).f_flag & os.ST_NOEXEC  # tests make virtual environments
    ):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


def _passes(command: Sequence[str], options: Sequence[str]) -> bool:
    """Run the tests; those few that fail once more, one after the other.

    They talk to real servers within time limits, and a machine may stand still for longer than one
    of these. What fails twice has failed; what passes the second time is named in the output of
    the first.
    """
    cache = environment.ROOT / ".pytest_cache" / "v" / "cache" / "lastfailed"
    cache.unlink(missing_ok=True)  # of earlier runs
    if _run("tests", [*command, *_workers(), *options]):
        return True
    failures = json.loads(cache.read_text()) if cache.exists() else {}
    if not 0 < len(failures) <= _FEW:
        return False
    print(f"--- {len(failures)} failed, and are tried once more: {', '.join(failures)}")
    again = ["--last-failed", "--last-failed-no-failures", "none"]
    return _run("tests again", [*command, *options, *again])


def _run(name: str, command: Sequence[str]) -> bool:
    shown = command[2:] if command[1] == "-m" else [Path(command[0]).name, *command[1:]]
    print(f"--- {name}: {' '.join(shown)}", flush=True)
    started = time.monotonic()
    passed = subprocess.run(command, cwd=environment.ROOT).returncode == 0
    seconds = time.monotonic() - started
    print(f"--- {name}: {'passed' if passed else 'FAILED'} in {seconds:.0f} s", flush=True)
    return passed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
