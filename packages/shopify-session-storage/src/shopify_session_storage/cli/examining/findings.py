"""What was looked at, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

Level = Literal["ok", "warn", "fail"]

_NAMED: Final = 5


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: What was looked at, in a word.
        level: ``ok``, ``warn``: somebody should do something, ``fail``: it is broken.
        message: What was found.
        remedy: What to do about it.
    """

    check: str
    level: Level
    message: str
    remedy: str = ""


def some(ids: Sequence[str], number: int) -> str:
    """Name some of *number* sessions."""
    if not ids:
        return ""
    more = ", ..." if number > len(ids) else ""
    return f": {', '.join(ids)}{more}"


class Tally:
    """Counts sessions, and keeps the ids of a few."""

    def __init__(self) -> None:
        self.number = 0
        self.ids: list[str] = []

    def add(self, id: str) -> None:
        """Count one."""
        self.number += 1
        if len(self.ids) < _NAMED:
            self.ids.append(id)

    def __str__(self) -> str:
        return some(self.ids, self.number)
