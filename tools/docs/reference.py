"""The pages of the API reference: a page for each public module, with all its public names."""

import importlib
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Generic

import environment
from sphinx.pycode import ModuleAnalyzer

_CORE = "shopify_session_storage"

# Classes whose members no page has to explain.
_UNTOLD = ["object", "Generic", "BaseException"]

_MODULES = [
    "",
    ".access_tokens",
    ".sync",
    ".encryption",
    ".otel",
    ".testing",
    ".testing.shopify",
    ".testing.strategies",
    ".testing.differences",
    ".sql.layouts",
]


def modules() -> list[str]:
    """Return the names of all public modules: of core, then a module for each adapter."""
    adapters = [package.name.replace("-", "_") for package in environment.packages()]
    return [*(_CORE + name for name in _MODULES), *(name for name in adapters if name != _CORE)]


def public_names(module: ModuleType) -> list[str]:
    """Return the names that *module* offers: those of ``__all__``, or else what it defines."""
    names: list[str] | None = getattr(module, "__all__", None)
    if names is not None:
        return sorted(names, key=str.lower)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]


def public_bases(value: type) -> list[type]:
    """Return the classes that *value* extends, as far as they are public."""
    bases: list[type] = []
    for base in value.__bases__:
        own = base.__module__.startswith(_CORE)
        public = not own or any(
            vars(importlib.import_module(name)).get(base.__name__) is base for name in modules()
        )
        found = [base] if public else public_bases(base)
        bases += [new for new in found if new not in (*bases, object, Generic)]
    return bases


def write(folder: Path) -> None:
    """Write a page for each public module to *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    where: dict[int, str] = {}
    for module in [importlib.import_module(name) for name in modules()]:
        page = _page(module, where)
        (folder / f"{module.__name__}.rst").write_text(page, encoding="utf-8")


def _page(module: ModuleType, where: dict[int, str]) -> str:
    """Return the page of *module*. What *where* says is on another page has a link to it."""
    title = module.__name__
    parts = [title, "=" * len(title), "", f".. automodule:: {title}", "   :no-members:", ""]
    for name in public_names(module):
        value = getattr(module, name)
        known = where.setdefault(id(value), f"{title}.{name}")
        if known != f"{title}.{name}":
            parts += [f"``{name}`` is :py:obj:`{known}`.", ""]
        elif inspect.isclass(value):
            kind = "exception" if issubclass(value, BaseException) else "class"
            bases = [base.__name__ for base in public_bases(value)]
            options = ["   :show-inheritance:"] if bases else []
            options.append(f"   :inherited-members: {', '.join([*bases, *_UNTOLD])}")
            parts += [f".. auto{kind}:: {title}.{name}", *options, ""]
        elif inspect.isfunction(value):
            parts += [f".. autofunction:: {title}.{name}", ""]
        else:
            parts += [f".. py:data:: {title}.{name}", "", *_comment(name, value), ""]
    return "\n".join(parts)


def _comment(name: str, value: object) -> list[str]:
    """Return what the comment above a constant says, in whichever module that is."""
    for module in [found for found in sys.modules if found.startswith(_CORE)]:
        if vars(sys.modules[module]).get(name) is value:
            comments = ModuleAnalyzer.for_module(module).find_attr_docs()
            if ("", name) in comments:
                return [f"   {line}" for line in comments["", name]]
    raise LookupError(f"{name} has no comment that begins with #:")
