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
import subprocess  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from pathlib import Path  # noqa: E402

CORE = "packages/shopify-session-storage"

# More failures than these are no accident.
_FEW = 8

# Each has up to ten servers beside it.
_MOST_WORKERS = 2

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
    for test in sorted((environment.ROOT / "tools" / "tests").glob("test_*.py")):
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
    chosen = parser.parse_args(own).part or list(commands)
    unknown = [name for name in chosen if name not in commands]
    if unknown:
        parser.error(f"unknown part {unknown[0]!r}; the parts are: {', '.join(commands)}")

    failed = []
    tests: list[str] = []
    for name in chosen:
        for command in commands[name]:
            if command[0] == "pytest":
                tests += command[1:]  # one run of pytest for all, so that servers start once
            elif not _run(name, command):
                failed.append(name)
    # What takes longest for a test comes first, so that no worker is left with it in the end.
    tests.sort(key=lambda path: not path.startswith("tools/"))
    if tests and not _passes([sys.executable, "-m", "pytest", *tests], for_pytest):
        failed.append("tests")
    if failed:
        print(f"FAILED: {', '.join(dict.fromkeys(failed))}")
    return 1 if failed else 0


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    if "--" not in arguments:
        return list(arguments), []
    place = list(arguments).index("--")
    return list(arguments[:place]), list(arguments[place + 1 :])


def _workers() -> list[str]:
    """Return the arguments with which pytest uses all of the machine.

    Each worker starts servers of its own, and has the tests of one file after another. Servers
    whose addresses are in the environment are there once, and their tests take turns.
    """
    given = [name for name in os.environ if _ADDRESS.fullmatch(name)]
    count = 1 if given else min(os.cpu_count() or 1, _MOST_WORKERS)
    if count == 1:
        return []
    return ["-n", str(count), "--dist", "loadfile", "--no-loadscope-reorder"]


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
