"""The databases of a backend's subjects, on a private server."""

import asyncio
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from interop.backends import Backend, Space
from servers.kv import TOKEN

from bench.subjects import JAVASCRIPT, WITH_WAL, Subject, working

# Tests leave it to the system when data reaches the disk.
_DURABLE = {
    "postgresql": ("fsync=on", "jit=on"),
    "mysql": ("innodb-flush-log-at-trx-commit=1", "innodb-doublewrite=ON"),
}

# The official adapters have no index on the shop.
_INDEXED_BY_OURS = ("sqlite", "postgresql", "mysql", "mongodb")


@contextmanager
def databases(
    backend: Backend, subjects: Sequence[Subject]
) -> Iterator[tuple[dict[Subject, Space], Callable[[], Space], Path]]:
    """Give each subject its database, what makes one more for ours, and a folder.

    Python's subjects share one. So does the official adapter where the layout leaves nothing to
    choose; elsewhere it has one as it makes it.
    """
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as directory,
        asyncio.Runner() as runner,
        ExitStack() as stack,
    ):
        os.environ["CLOUDFLARE_API_TOKEN"] = TOKEN
        url = ""
        if backend.server is not None:
            settings = _DURABLE.get(backend.name, ())
            url = stack.enter_context(backend.server.run(*settings))

        def opened() -> Space:
            space: Any = backend.space(url, Path(directory))
            entered: Space = runner.run(space.__aenter__())
            stack.callback(lambda: runner.run(space.__aexit__(None, None, None)))
            return entered

        def of_ours() -> Space:
            space = opened()
            runner.run(_create(space))
            return space

        shared = of_ours()
        spaces = dict.fromkeys(subjects, shared)
        if backend.name in _INDEXED_BY_OURS:
            for subject in subjects:
                if subject in (JAVASCRIPT, WITH_WAL):
                    spaces[subject] = _of_javascript(subject, backend, opened())
        yield spaces, of_ours, Path(directory)


async def _create(space: Space) -> None:
    async with space.python():
        pass


def _of_javascript(subject: Subject, backend: Backend, space: Space) -> Space:
    if subject is WITH_WAL:  # the file remembers it
        connection = sqlite3.connect(space.javascript["database"])
        connection.execute("PRAGMA journal_mode = WAL")
        connection.close()
    with working(JAVASCRIPT, backend.name, space.javascript):
        pass  # creates its table
    return space
