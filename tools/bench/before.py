"""The sources of another revision, to be measured beside these."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from environment import ROOT


@contextmanager
def sources_of(revision: str | None) -> Iterator[Sequence[Path]]:
    """Check a revision out for a while, and give its packages' folders of sources; () for None."""
    if revision is None:
        yield ()
        return
    with TemporaryDirectory(prefix="bench-before-") as folder:
        place = Path(folder) / "tree"
        _git("worktree", "add", "--detach", str(place), revision)
        try:
            yield sorted(place.glob("packages/*/src"))
        finally:
            _git("worktree", "remove", "--force", str(place))


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True)
