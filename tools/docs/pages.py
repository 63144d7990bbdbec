"""The pages of the site that are written by hand, and where each of them is there.

No text is kept twice: a page is a file of the repository, whose links lead to other pages rather
than to other files. A file that is linked and is no page, such as an example, becomes one. Links
are written inline and relative: ``[text](../path.md#heading)``.
"""

import os
import re
import shutil
from pathlib import Path

import environment

from docs import reference

ROOT = environment.ROOT

# The order in which the site shows them; others come after these.
_GUIDES = [
    "start",
    "choose",
    "access-tokens",
    "frameworks",
    "node",
    "prisma",
    "tables",
    "encrypt",
    "operate",
    "metrics",
    "purge",
    "cache",
    "interface",
    "adapter",
]

_CODE_OR_LINK = re.compile(r"^(```+).*?^\1|`[^`\n]+`|\]\(([^)\s]+)\)", re.DOTALL | re.MULTILINE)
_LANGUAGES = {".mjs": "js", ".cjs": "js", ".py": "python"}


def _short_name(package: Path) -> str:
    """Return what a package is called on the site: ``core``, ``sqlite``, ..."""
    return package.name.removeprefix("shopify-session-storage").removeprefix("-") or "core"


def _written() -> dict[Path, str]:
    """Return the files that are pages, relative to the repository, and the name of each page."""
    found = {"README.md": "index", "CHANGELOG.md": "changes/index"}
    guides = [path.stem for path in (ROOT / "tools/docs/guides").glob("*.md")]
    guides.sort(key=lambda name: (_GUIDES.index(name) if name in _GUIDES else len(_GUIDES), name))
    found |= {f"tools/docs/guides/{name}.md": f"guides/{name}" for name in guides}
    for package in environment.packages():
        name, folder = _short_name(package), f"packages/{package.name}"
        found |= {
            f"{folder}/README.md": f"packages/{name}",
            f"{folder}/CHANGELOG.md": f"changes/{name}",
        }
    found |= {
        "tools/examples/README.md": "examples/index",
        "tools/interop/README.md": "project/interop",
        "tools/bench/README.md": "project/bench",
        "tools/bench/results/report.md": "project/report",
        ".github/CONTRIBUTING.md": "project/contributing",
        ".github/SECURITY.md": "project/security",
    }
    return {Path(path): name for path, name in found.items()}


def write(folder: Path) -> list[str]:
    """Write the sources of all pages to *folder*, and return what is wrong with their links."""
    names = _written()
    waiting = list(names)
    problems = []
    while waiting:
        path = waiting.pop()
        page = folder / f"{names[path]}.md"
        page.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix != ".md":
            page.write_text(_listing(path), encoding="utf-8")
            continue
        text = (ROOT / path).read_text(encoding="utf-8")
        linked, wrong = _linked(path, text)
        problems += wrong
        for target in linked:
            if target.suffix == ".svg":
                copy = folder / "images" / target.name
                copy.parent.mkdir(exist_ok=True)
                shutil.copyfile(ROOT / target, copy)
            elif target not in names:
                names[target] = f"files/{target.as_posix().replace('/', '-')}"
                waiting.append(target)
        page.write_text(_with_links(path, text, names) + _contents(names[path], names), "utf-8")
    return problems


def _linked(path: Path, text: str) -> tuple[set[Path], list[str]]:
    """Return the files of the repository to which a page links, and the links that are wrong."""
    linked, wrong = set(), []
    for match in _CODE_OR_LINK.finditer(text):
        if match[2] is None or match[2].startswith(("https://", "#")):
            continue
        target = _target(path, match[2])
        if (ROOT / target).is_file():
            linked.add(target)
        else:
            line = text[: match.start()].count("\n") + 1
            wrong.append(f"{path}:{line}: {match[2]} is no file of this repository")
    return linked, wrong


def _target(path: Path, link: str) -> Path:
    return Path(os.path.normpath(path.parent / link.partition("#")[0]))


def _with_links(path: Path, text: str, names: dict[Path, str]) -> str:
    here = Path(names[path]).parent

    def replaced(match: re.Match[str]) -> str:
        link = match[2]
        if link is None or link.startswith(("https://", "#")):
            return match[0]
        target, anchor = _target(path, link), "".join(link.partition("#")[1:])
        if target.suffix == ".svg":
            return f"]({os.path.relpath(Path('images') / target.name, here)})"
        if target not in names:
            return match[0]  # it is wrong, and has been reported
        return f"]({os.path.relpath(names[target], here)}.md{anchor})"

    return _CODE_OR_LINK.sub(replaced, text)


def _listing(path: Path) -> str:
    """Return a page that shows a file."""
    source = (ROOT / path).read_text(encoding="utf-8")
    language = _LANGUAGES.get(path.suffix, "text")
    return f"---\norphan: true\n---\n\n# {path.name}\n\n`{path}`\n\n````{language}\n{source}````\n"


def _contents(page: str, names: dict[Path, str]) -> str:
    """Return what follows a page's own text: the navigation."""
    if page == "changes/index":
        changes = [Path(name).name for name in names.values() if name.startswith("changes/")]
        return _toctree("", [name for name in changes if name != "index"])
    if page != "index":
        return ""
    below = {
        folder: [name for name in names.values() if name.startswith(f"{folder}/")]
        for folder in ("guides", "packages", "project")
    }
    return (
        _toctree("Guides", [*below["guides"], "examples/index"])
        + _toctree("Packages", below["packages"])
        + _toctree("Reference", [_reference(name) for name in reference.modules()])
        + _toctree("Project", ["changes/index", *below["project"]])
    )


def _toctree(caption: str, names: list[str]) -> str:
    title = f":caption: {caption}\n" if caption else ""
    return f"\n```{{toctree}}\n:hidden:\n{title}\n" + "\n".join(names) + "\n```\n"


def _reference(module: str) -> str:
    short = module.removeprefix("shopify_session_storage").lstrip("._") or module
    return f"{short} <reference/{module}>"
