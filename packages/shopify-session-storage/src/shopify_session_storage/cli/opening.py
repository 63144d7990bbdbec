"""Storages for as long as a command needs them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote

from shopify_session_storage.cli.exits import Exit, Stop
from shopify_session_storage.cli.urls import Place
from shopify_session_storage.sql.looking import look_only, missing_columns
from shopify_session_storage.sql.tables import SqlTables
from shopify_session_storage.storage import SessionStorage


class NothingThere(Stop):
    """There is no such storage yet."""


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[SessionStorage]:
    """Open a storage as an app does: it is created and migrated if need be."""
    storage = place.open()
    try:
        await storage.ready()
        yield storage
    finally:
        await storage.disconnect()


@asynccontextmanager
async def opened_to_read(place: Place) -> AsyncIterator[SessionStorage]:
    """Open a storage that is there already, and leave its tables as they are.

    Raises:
        NothingThere: If there is no table of sessions.
        Stop: If it must be migrated before it can be read.
    """
    storage = to_read(place)
    try:
        if isinstance(storage, SqlTables):
            missing = await missing_columns(storage)
            if missing is None:
                raise NothingThere(f"{place}: there is no table of sessions", Exit.REFUSED)
            if missing:
                raise Stop(
                    f"{place}: the table is an old one, without {', '.join(missing)}; "
                    "run shopify-sessions migrate first",
                    Exit.REFUSED,
                )
        await storage.ready()
        yield storage
    finally:
        await storage.disconnect()


def to_read(place: Place) -> SessionStorage:
    """Make a storage that creates and alters nothing as it opens, where that is possible.

    Raises:
        NothingThere: If it would be in a file that does not exist.
    """
    storage = place.open()  # what is wrong with the URL is said first
    if place.scheme == "sqlite":
        _check_file(place)
    if isinstance(storage, SqlTables):
        look_only(storage)
    return storage


def _check_file(place: Place) -> None:
    # SQLite would make it.
    path = unquote(place.url.partition("://")[2].partition("?")[0].removeprefix("/"))
    if path and path != ":memory:" and not Path(path.removeprefix("file:")).exists():
        raise NothingThere(f"{place}: there is no such file", Exit.UNREACHABLE)
