"""The address of the repository: in every package's settings, and in the links of READMEs."""

import posixpath
import re
from urllib.parse import urljoin

from release.package import Package

_NAME = re.compile(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+")
_TABLE = re.compile(r"^\[project\.urls\]\n(?:[^\[\n].*\n)*\n", re.MULTILINE)
_NEXT_TABLE = "[tool.hatch.build.targets.sdist]\n"
_LINK = re.compile(r"(?<=\]\()(?!#|[a-z][a-z0-9+.-]*:)([^)\s]+)")


def write_urls(package: Package, repository: str) -> None:
    """Write ``[project.urls]`` into the package's ``pyproject.toml``, in place of what is there.

    Args:
        package: The package.
        repository: ``OWNER/NAME`` on GitHub.

    Raises:
        ValueError: If the repository is not so written.
    """
    if _NAME.fullmatch(repository) is None:
        raise ValueError(f"{repository!r} is not OWNER/NAME")
    home = f"https://github.com/{repository}"
    urls = {
        "Homepage": home,
        "Documentation": f"{home}/tree/main/packages/{package.name}#readme",
        "Changelog": f"{home}/blob/main/packages/{package.name}/CHANGELOG.md",
        "Issues": f"{home}/issues",
    }
    table = "[project.urls]\n" + "".join(f'{name} = "{url}"\n' for name, url in urls.items()) + "\n"
    file = package.folder / "pyproject.toml"
    text = _TABLE.sub("", file.read_text(encoding="utf-8"))
    before, found, after = text.partition(_NEXT_TABLE)
    if not found:
        raise ValueError(f"{file} has no {_NEXT_TABLE.strip()}")
    file.write_text(before + table + found + after, encoding="utf-8")


def with_absolute_links(package: Package) -> str:
    """Return the README with links that also work on the index.

    What is relative in the repository leads to the file there, as it is at the package's tag.
    Without an address it stays as it is.
    """
    home = package.urls.get("Homepage")
    if home is None:
        return package.readme
    base = f"{home}/blob/{package.tag}/"

    def absolute(link: re.Match[str]) -> str:
        path, mark, anchor = link[1].partition("#")
        place = posixpath.normpath(posixpath.join("packages", package.name, path))
        return urljoin(base, place) + mark + anchor

    return _LINK.sub(absolute, package.readme)
