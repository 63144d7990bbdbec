"""Every Python example in a README runs as it stands.

A comment ``<!-- needs POSTGRESQL_URL -->`` before an example gives it that environment variable,
with the address of a real server.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import environment
import pytest

_BLOCK = re.compile(r"^(?:<!-- needs (\w+) -->\n)?```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def examples():
    readmes = [environment.ROOT, *environment.packages()]
    for readme in (folder / "README.md" for folder in readmes):
        text = readme.read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            line = text[: match.start()].count("\n") + 2
            name = f"{readme.relative_to(environment.ROOT)}:{line}"
            yield pytest.param(match[2], match[1], id=name)


@pytest.mark.parametrize(("source", "variable"), [*examples()])
def test_example_runs(source: str, variable: str | None, tmp_path: Path, request):
    address = {} if variable is None else {variable: request.getfixturevalue(variable.lower())}
    variables = {**os.environ, **address}  # a fixture may set more, such as an API token
    if "SessionStorageBattery" in source:
        file = tmp_path / "test_example.py"
        file.write_text(source, encoding="utf-8")
        arguments = ["-m", "pytest", "-q", "-p", "no:cacheprovider", str(file)]
    else:
        arguments = ["-W", "error", "-c", source]
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_readme_has_an_example():
    for folder in [environment.ROOT, *environment.packages()]:
        assert _BLOCK.search((folder / "README.md").read_text(encoding="utf-8")), folder
