"""What a backend is to the tests: its server, its databases, and what both sides open them with."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from environment import ROOT
from servers.discovery import Server
from shopify_session_storage import BaseSessionStorage

from interop import databases

PACKAGES = ROOT / "packages"


@dataclass(frozen=True)
class Space:
    """A database of its own.

    Attributes:
        python: Makes a storage of ours on it. An old database may have another table name.
        javascript: The options of the official adapter, as ``peer.cjs`` takes them.
        restore: Fills it from a file of golden data, where there is an older layout.
        database: The SQL database that it is, where an app defines the table.
    """

    python: Callable[..., BaseSessionStorage]
    javascript: Mapping[str, Any]
    restore: Callable[[Path], Awaitable[None]] | None = None
    database: databases.Database | None = None


@dataclass(frozen=True)
class Backend:
    """A backend that both languages have an adapter for.

    Attributes:
        name: As in the names of the packages, if those are not given.
        server: Its server; None if it needs none.
        space: Makes a database from that address, and a folder for files.
        javascript_drivers: What the official adapter works with.
        python_drivers: What ours works with.
        old: The files of its old databases, with their table if it is not the default.
        others: The files of databases that other packages of Shopify's made, with their table, in
            the data of the package's own tests.
        either_creates: Whether a storage finds nothing at first, and creates what it needs.
        package: What our package's name ends with.
        adapter: What the official package's name ends with; its name in ``adapters.cjs``.
        latest: The last date that it can hold, if Python has later ones.
    """

    name: str
    server: Server | None
    space: Callable[[str, Path], AbstractAsyncContextManager[Space]]
    javascript_drivers: Sequence[str] = ()
    python_drivers: Sequence[str] = ()
    old: Mapping[str, str | None] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
    either_creates: bool = True
    package: str = ""
    adapter: str = ""
    latest: datetime | None = None

    @property
    def fixture(self) -> str | None:
        """The fixture with the address of its server."""
        return None if self.server is None else f"{self.server.name}_url"

    @property
    def data(self) -> Path:
        """The golden data of the package's own tests."""
        return PACKAGES / self.our_package / "tests" / "data"

    @property
    def id(self) -> str:
        """The name in the names of tests."""
        return self.name.replace(" ", "-")

    @property
    def opened_as(self) -> str:
        """The name in ``adapters.cjs``."""
        return self.adapter or self.name

    @property
    def our_package(self) -> str:
        """The name of our package."""
        return f"shopify-session-storage-{self.package or self.name}"

    @property
    def official_package(self) -> str:
        """The name of the official package."""
        name = self.opened_as.removesuffix("-style")
        return f"@shopify/shopify-app-session-storage-{name}"


def text(file: Path) -> str:
    """Return what a file of golden data says."""
    return file.read_text(encoding="utf-8")
