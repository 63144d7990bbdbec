"""What the demo says on the terminal."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TextIO

from shopify_session_storage import Session, SessionStorage

_COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "blue": "34", "cyan": "36"}
_ACTORS = {"app": "cyan", "storage": "blue", "Shopify": "green"}


class Report:
    """Prints the story line by line, coloured where the terminal may be.

    Attributes:
        text: All that was printed, without colours.
    """

    def __init__(self, out: TextIO) -> None:
        self.text = ""
        self._out = out
        self._colours = out.isatty() and not os.environ.get("NO_COLOR")
        self._quiet = False

    def line(self, text: str = "", colour: str | None = None) -> None:
        """Print one line."""
        self._print([(text, colour)])

    def step(self, title: str) -> None:
        """Print the title of a part of the story."""
        self._print([("\n" + title, "bold")])

    def event(self, who: str, whom: str, what: str) -> None:
        """Print that *who* does something to *whom*."""
        if not self._quiet:
            self._print(
                [
                    (f"  {who:>7}", _ACTORS.get(who)),
                    (" → ", "dim"),
                    (f"{whom:<7}  ", _ACTORS.get(whom)),
                    (what, None),
                ]
            )

    def passed(self, text: str) -> None:
        """Print that something went as it should."""
        self._print([("  ✓ ", "green"), (text, None)])

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print a table."""
        rows = list(rows)
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

        def aligned(cells: Sequence[str]) -> str:
            padded = (f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
            return "  " + "  ".join(padded).rstrip()

        self.line(aligned(header), "dim")
        for row in rows:
            self.line(aligned(row))

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Leave out events for a while."""
        self._quiet = True
        try:
            yield
        finally:
            self._quiet = False

    def _print(self, parts: list[tuple[str, str | None]]) -> None:
        plain = "".join(text for text, _ in parts)
        self.text += plain + "\n"
        if self._colours:
            shown = "".join(
                f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if colour and text else text
                for text, colour in parts
            )
        else:
            shown = plain
        print(shown, file=self._out, flush=True)


class ReportedStorage(SessionStorage):
    """Says what the app asks of a storage.

    Attributes:
        calls: How often each method was called.
    """

    def __init__(self, storage: SessionStorage, report: Report) -> None:
        self.calls: Counter[str] = Counter()
        self._storage = storage
        self._report = report
        self.conditional_writes = storage.conditional_writes
        self.leases = storage.leases

    async def store_session(self, session: Session) -> bool:
        """Store, and say so."""
        result = await self._storage.store_session(session)
        self._say("store", session.id)
        return result

    async def load_session(self, id: str) -> Session | None:
        """Load, and say whether there was something."""
        session = await self._storage.load_session(id)
        self._say("load", id, "" if session else ": nothing")
        return session

    async def delete_session(self, id: str) -> bool:
        """Delete, and say so."""
        result = await self._storage.delete_session(id)
        self._say("delete", id)
        return result

    async def delete_sessions(self, ids: Iterable[str]) -> bool:
        """Delete, and say how many."""
        ids = list(ids)
        result = await self._storage.delete_sessions(ids)
        self._say("delete", f"{len(ids)} sessions")
        return result

    async def find_sessions_by_shop(self, shop: str) -> list[Session]:
        """Find, and say how many."""
        sessions = await self._storage.find_sessions_by_shop(shop)
        self._say("find", shop, f": {len(sessions)} sessions")
        return sessions

    async def compare_and_store(self, session: Session, expected: Session | None) -> bool:
        """Compare and store, and say whether somebody else was faster."""
        stored = await self._storage.compare_and_store(session, expected)
        self._say("compare", session.id, ": stored" if stored else ": somebody else was faster")
        return stored

    async def acquire_lease(self, name: str, holder: str, ttl: timedelta) -> bool:
        """Take or renew a lease, and say whether another has it."""
        acquired = await self._storage.acquire_lease(name, holder, ttl)
        self._say("lease", name, "" if acquired else ": another has it")
        return acquired

    async def release_lease(self, name: str, holder: str) -> None:
        """Give up a lease, and say so."""
        await self._storage.release_lease(name, holder)
        self._say("release", name)

    async def ready(self) -> None:
        """Open the storage."""
        await self._storage.ready()

    async def disconnect(self) -> None:
        """Close the storage."""
        await self._storage.disconnect()

    def _say(self, call: str, what: str, outcome: str = "") -> None:
        self.calls[call] += 1
        self._report.event("app", "storage", f"{call:<6} {what}{outcome}")
