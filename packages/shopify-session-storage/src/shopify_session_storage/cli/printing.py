"""What a command says: results on stdout, all else on stderr."""

import json
import os
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from shopify_session_storage.cli.exits import Exit, Stop
from shopify_session_storage.cli.masking import printable
from shopify_session_storage.cli.progress import Progress

_COLOURS: Final = {"ok": "32", "warn": "33", "fail": "31"}


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: Its heading.
        rank: Which columns go first where the terminal is narrow: the highest.
        least: How narrow it may become.
    """

    title: str
    rank: int = 0
    least: int = 0


class Output:
    """Where a command writes.

    Args:
        as_json: Whether results are JSON.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.is_terminal = sys.stdout.isatty()
        self.progress = Progress(sys.stderr)
        self._widths: Sequence[int] = ()

    def line(self, text: str = "") -> None:
        """Write a line of the result."""
        self.progress.clear()
        try:
            sys.stdout.write(f"{text}\n")
        except BrokenPipeError:
            raise
        except OSError as error:
            raise unwritable(error) from None

    def json(self, data: Any) -> None:
        """Write *data* as one line of JSON."""
        self.line(json.dumps(data, default=_as_json))

    def say(self, text: str) -> None:
        """Tell the user something that is no part of the result."""
        self.progress.clear()
        sys.stderr.write(f"shopify-sessions: {printable_lines(text)}\n")
        sys.stderr.flush()

    def table(
        self, columns: Sequence[Column], rows: Sequence[Sequence[str]], *, go_on: bool = False
    ) -> None:
        """Write a table: for people on a terminal, else whole values with tabs between.

        Args:
            columns: Its columns.
            rows: Its rows.
            go_on: Whether these are further rows of the same table.
        """
        rows = [[printable(cell) for cell in row] for row in rows]
        if not self.is_terminal:
            for row in rows:
                self.line("\t".join(row))
            return
        self._widths = _widths(columns, rows, self._widths if go_on else [0] * len(columns))
        if not go_on:
            self._row([column.title for column in columns])
        for row in rows:
            self._row(row)

    def _row(self, cells: Sequence[str]) -> None:
        shown = [
            fitted(cell, width) for cell, width in zip(cells, self._widths, strict=True) if width
        ]
        self.line("  ".join(shown).rstrip())

    def coloured(self, level: str) -> str:
        """Return the word of a level, in its colour where that is wanted."""
        word = level.ljust(4)
        if not self.is_terminal or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
            return word
        if os.name == "nt" and "WT_SESSION" not in os.environ:
            return word
        return f"\x1b[{_COLOURS[level]}m{word}\x1b[0m"

    def columns(self) -> int:
        """Return how wide the terminal is."""
        return shutil.get_terminal_size().columns if self.is_terminal else 10_000


def unwritable(error: OSError) -> Stop:
    """Return how a command ends whose output goes nowhere, such as onto a full disk."""
    reason = error.strerror or type(error).__name__
    return Stop(f"cannot write the output: {reason}", Exit.PARTIAL)


def printable_lines(text: str) -> str:
    """Return *text* with each of its lines printable."""
    return "\n".join(printable(line.expandtabs(4)) for line in text.split("\n"))


def date_text(date: datetime | None) -> str:
    """Return a date for people, in UTC."""
    return "" if date is None else date.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def listed(ids: tuple[str, ...] | list[str], most: int = 10) -> str:
    """Return some of *ids*, and say how many more there are."""
    more = f" and {len(ids) - most:,} more" if len(ids) > most else ""
    return f"{', '.join(ids[:most])}{more}"


def width_of(text: str) -> int:
    """Return how many columns of a terminal *text* takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1
        for one in text
    )


def fitted(text: str, width: int) -> str:
    """Return *text* cut or filled up to *width* columns."""
    missing = width - width_of(text)
    if missing >= 0:
        return text + " " * missing
    while text and width_of(text) > width - 1:
        text = text[:-1]
    return fitted(f"{text}…", width)


def _widths(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], so_far: Sequence[int]
) -> Sequence[int]:
    """Return the widths of the columns, 0 for those that have no room."""
    full = [
        max(so_far[n], width_of(column.title), *(width_of(row[n]) for row in rows))
        for n, column in enumerate(columns)
    ]
    room = shutil.get_terminal_size().columns
    left = sorted(range(len(columns)), key=lambda n: columns[n].rank)

    def needed(width: Sequence[int]) -> int:
        return sum(width[n] for n in left) + 2 * (len(left) - 1)

    least = [min(wide, column.least or wide) for wide, column in zip(full, columns, strict=True)]
    while len(left) > 1 and needed(least) > room:
        left.pop()
    widths = [full[n] if n in left else 0 for n in range(len(columns))]
    for n in reversed(left):
        over = needed(widths) - room
        if over > 0:
            widths[n] = max(least[n], widths[n] - over)
    if len(left) == 1:
        widths[left[0]] = max(1, min(widths[left[0]], room))
    return widths


def _as_json(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    raise TypeError(f"{type(value).__name__} has no JSON")
