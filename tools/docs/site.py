"""Builds the site: writes its sources, and has Sphinx make HTML of them."""

import shutil
import subprocess
import sys
from pathlib import Path

import environment

from docs import pages, reference

_FOLDER = Path(__file__).parent


def build(output: Path) -> bool:
    """Write the site to *output*, and return whether nothing was wrong with it.

    What is wrong is printed. Sources and Sphinx's own files are kept beside *output*.
    """
    source = output.parent / "source"
    shutil.rmtree(source, ignore_errors=True)
    problems = pages.write(source)
    reference.write(source / "reference")
    for problem in problems:
        print(problem, file=sys.stderr)
    sphinx = [sys.executable, "-m", "sphinx", "--builder", "html", "--conf-dir", str(_FOLDER)]
    strict = ["--fail-on-warning", "--fresh-env", "--quiet", "--jobs", "auto"]
    folders = ["--doctree-dir", str(output.parent / "doctrees"), str(source), str(output)]
    done = subprocess.run([*sphinx, *strict, *folders], cwd=environment.ROOT)
    return done.returncode == 0 and not problems
