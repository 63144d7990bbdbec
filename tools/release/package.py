"""A package of the repository as its release sees it: name, version, changelog."""

import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

CORE = "shopify-session-storage"

_HEADING = re.compile(r"^## (?P<version>\S+) \((?P<date>[^)]*)\)$", re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    """What the changelog says of one version."""

    version: str
    date: str
    text: str

    @property
    def is_released(self) -> bool:
        """Whether the entry has a date, rather than "unreleased"."""
        return re.fullmatch(r"\d{4}-\d{2}-\d{2}", self.date) is not None


@dataclass(frozen=True)
class Package:
    """A folder below ``packages/``."""

    folder: Path

    @property
    def name(self) -> str:
        """The name on the index, which is the folder's."""
        return self.folder.name

    @property
    def module(self) -> str:
        """The name to import, which is also what its files begin with."""
        return self.name.replace("-", "_")

    @property
    def tag(self) -> str:
        """The tag of its release: one package, one version."""
        return f"{self.name}-v{self.version}"

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The contents of ``pyproject.toml``."""
        return tomllib.loads((self.folder / "pyproject.toml").read_text(encoding="utf-8"))

    @cached_property
    def version(self) -> str:
        """The package's ``__version__``, which the build backend takes, too."""
        init = self.folder / "src" / self.module / "__init__.py"
        found = re.search(r'^__version__ = "(.+)"$', init.read_text(encoding="utf-8"), re.MULTILINE)
        assert found is not None, f"no __version__ in {init}"
        return found[1]

    @property
    def urls(self) -> dict[str, str]:
        """The addresses that the index shows, none before the repository is known."""
        urls: dict[str, str] = self.settings["project"].get("urls", {})
        return urls

    @property
    def readme(self) -> str:
        """The text of ``README.md``."""
        return (self.folder / "README.md").read_text(encoding="utf-8")

    @cached_property
    def changelog(self) -> list[Entry]:
        """The entries of ``CHANGELOG.md``, newest first."""
        text = (self.folder / "CHANGELOG.md").read_text(encoding="utf-8")
        headings = list(_HEADING.finditer(text))
        ends = [heading.start() for heading in headings[1:]] + [len(text)]
        return [
            Entry(heading["version"], heading["date"], text[heading.end() : end].strip())
            for heading, end in zip(headings, ends, strict=True)
        ]


def find(root: Path, name: str) -> Package:
    """Return the package that *name*, or a tag such as ``name-v1.0.0``, means.

    Raises:
        ValueError: If there is none.
    """
    for known in (name, re.sub(r"-v[^-]*$", "", name)):
        if (root / "packages" / known / "pyproject.toml").exists():
            return Package(root / "packages" / known)
    names = ", ".join(sorted(path.parent.name for path in root.glob("packages/*/pyproject.toml")))
    raise ValueError(f"no package {name!r}; there are: {names}")
