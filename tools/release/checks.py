"""What must be true of a package before it can be released."""

from collections.abc import Iterator

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

from release.package import CORE, Package


def problems(package: Package, core: Package, ref: str | None = None) -> list[str]:
    """Return what keeps the package from being released, in words for people.

    Args:
        package: What is to be released.
        core: The package that the adapters need.
        ref: The tag that asks for the release, if one does.
    """
    found = [*_of_version(package), *_of_changelog(package), *_of_core(package, core)]
    if ref is not None and ref != package.tag:
        found.append(f"the tag {ref} is not that of version {package.version}: {package.tag}")
    if not package.urls:
        found.append(
            "pyproject.toml has no [project.urls]; once the repository has an address, run "
            "python3 tools/release.py --repository OWNER/NAME and commit"
        )
    return found


def _of_version(package: Package) -> Iterator[str]:
    try:
        version = Version(package.version)
    except InvalidVersion:
        yield f"{package.version} is not a version"
        return
    if str(version) != package.version or version.local is not None:
        yield f"the version {package.version} is not in its usual spelling, {version.public}"


def _of_changelog(package: Package) -> Iterator[str]:
    if not package.changelog:
        yield 'CHANGELOG.md has no heading such as "## 1.0.0 (2026-12-01)"'
        return
    newest = package.changelog[0]
    if newest.version != package.version:
        yield f"CHANGELOG.md begins with {newest.version}, __version__ is {package.version}"
    if not newest.is_released:
        yield f"CHANGELOG.md calls {newest.version} ({newest.date}); write the date"
    if not newest.text:
        yield f"CHANGELOG.md says nothing of {newest.version}"


def _of_core(package: Package, core: Package) -> Iterator[str]:
    """Yield why the core that is released is not what the package needs."""
    if package.name == CORE:
        return
    required = [
        requirement
        for requirement in map(Requirement, package.settings["project"]["dependencies"])
        if requirement.name == CORE
    ]
    if len(required) != 1:
        yield f"it must depend on {CORE} once"
        return
    wanted = required[0].specifier
    if not wanted.contains(core.version, prereleases=True):
        yield f"it needs {required[0]}, and the repository has {core.version}"
    released = [entry.version for entry in core.changelog if entry.is_released]
    if not any(wanted.contains(version, prereleases=True) for version in released):
        newest = released[0] if released else "none"
        yield f"it needs {required[0]}; newest released core: {newest}. Release core first"
