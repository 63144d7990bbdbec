"""The project's own virtual environment: made once, entered by every tool.

Needs nothing but Python 3.11 or later. A tool calls :func:`enter` before it imports anything else
that is not in the standard library.
"""

from __future__ import annotations  # an older Python must get as far as the message about it

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
_LOCK = ROOT / "requirements.lock"
_STAMP = VENV / "environment.stamp"


def enter() -> None:
    """Go on in the project's virtual environment, made or brought up to date if need be."""
    if sys.version_info < (3, 11):  # noqa: UP036  # see the first import
        sys.exit(f"Python 3.11 or later is needed; this is {sys.version.split()[0]}")
    # Or each of the processes that a tool starts compiles all that it imports.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    wanted = _fingerprint()
    if not _STAMP.exists() or _STAMP.read_text() != wanted:
        _prepare()
        _STAMP.write_text(wanted)
    if Path(sys.prefix).resolve() == VENV.resolve():
        return
    command = [str(PYTHON), *sys.argv]
    if os.name == "posix":
        sys.stdout.flush()
        os.execv(command[0], command)
    sys.exit(subprocess.call(command))


def packages() -> list[Path]:
    """Return the folders of the packages, core first."""
    return sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))


def _fingerprint() -> str:
    digest = hashlib.sha256(repr(sys.version_info[:2]).encode())
    for path in [_LOCK, Path(__file__), *(package / "pyproject.toml" for package in packages())]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _prepare() -> None:
    print("Preparing the virtual environment in .venv ...", file=sys.stderr, flush=True)
    pinned_uv = re.search(r"^uv==\S+", _LOCK.read_text(), re.MULTILINE)
    if pinned_uv is None:
        sys.exit(f"{_LOCK.name} does not pin uv")
    if Path(sys.prefix).resolve() != VENV.resolve():
        _run(
            [sys.executable, "-m", "venv", "--clear", str(VENV)],
            "Python's venv module does not work here; on Debian and Ubuntu install python3-venv",
        )
    python = str(PYTHON)
    _run([python, "-m", "pip", "install", "--quiet", pinned_uv.group()], "pip cannot install uv")
    install = [python, "-m", "uv", "pip", "install", "--quiet", "--python", python]
    _run(
        [*install, "--require-hashes", "-r", str(_LOCK)],
        "the packages in requirements.lock cannot be installed",
    )
    editable = [word for package in packages() for word in ("--editable", str(package))]
    _run(
        [*install, "--no-deps", "--no-build-isolation", *editable],
        "the project's own packages cannot be installed",
    )


def _run(command: list[str], problem: str) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    if subprocess.run(command, env=environment).returncode:
        sys.exit(f"{problem}; see above. The command was: {' '.join(command)}")
