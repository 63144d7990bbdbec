"""The READMEs and guides: their examples run, and the site is built of them.

A comment ``<!-- needs POSTGRESQL_URL -->`` before an example gives it that environment variable,
with the address of a real server. One that begins with ``<!-- after`` leaves it to another test.
"""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import environment
import pytest
from docs import reference, site

_BLOCK = re.compile(
    r"^(?:<!-- (?:needs (\w+)|(after) .*) -->\n)?```python\n(.*?)^```", re.DOTALL | re.MULTILINE
)
_READMES = [folder / "README.md" for folder in [environment.ROOT, *environment.packages()]]
_GUIDES = sorted((environment.ROOT / "tools/docs/guides").glob("*.md"))


def examples():
    for page in [*_READMES, *_GUIDES]:
        text = page.read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            line = text[: match.start()].count("\n") + 2
            name = f"{page.relative_to(environment.ROOT)}:{line}"
            if match[2] is None:
                yield pytest.param(match[3], match[1], id=name)


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


@pytest.mark.parametrize(
    "readme", _READMES, ids=lambda path: str(path.relative_to(environment.ROOT))
)
def test_every_readme_has_an_example(readme: Path):
    assert _BLOCK.search(readme.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    """The site, in which no link is broken."""
    output = tmp_path_factory.mktemp("docs") / "html"
    assert site.build(output)
    return output


@pytest.mark.parametrize("name", reference.modules())
def test_every_public_name_is_in_the_reference(html: Path, name: str):
    page = (html / "reference" / f"{name}.html").read_text(encoding="utf-8")
    missing = [
        found
        for found in reference.public_names(importlib.import_module(name))
        if f'id="{name}.{found}"' not in page and f'.{found}"' not in page
    ]
    assert not missing


def test_nothing_on_the_site_comes_from_another_host(html: Path):
    loaded = re.compile(
        r'<(?:script|img|iframe|link rel="stylesheet")[^>]+(?:src|href)="(?:https?:)?//'
    )
    assert [str(page) for page in html.rglob("*.html") if loaded.search(page.read_text())] == []
