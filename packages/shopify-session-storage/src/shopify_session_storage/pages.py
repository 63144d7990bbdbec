"""Walking through a storage: what a page is, and what may be asked for."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from shopify_session_storage.errors import CorruptSessionError
from shopify_session_storage.session import Session

_Stored = TypeVar("_Stored")

MAX_BATCH = 10_000
"""How many sessions a page may be asked to have."""

SLICE: Final = 200
"""So many sessions are read in a millisecond or so, for which all else on the event loop waits."""


@dataclass(frozen=True)
class SessionPage:
    """Some of the sessions of a storage.

    Attributes:
        sessions: The sessions. They are copies, which the caller may change.
        corrupt: The ids of stored entries that cannot be read as sessions.
        after: Where the next page begins; None if this is the last page. Any process can go on from
            there later.
    """

    sessions: list[Session] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)
    after: str | None = None


def check_scan(after: str | None, batch: int) -> None:
    """Check the arguments of ``scan_sessions()``.

    Raises:
        TypeError: If *after* is neither a str nor None, or *batch* not an int.
        ValueError: If *batch* is not from 1 to 10,000, or *after* cannot be any storage's.
    """
    if after is not None and not isinstance(after, str):
        raise TypeError(f"after must be a str or None, not {type(after).__name__}")
    # A NUL or a lone surrogate, which drivers refuse each in its own way.
    if after is not None and ("\0" in after or any("\ud800" <= one <= "\udfff" for one in after)):
        raise ValueError("after is of another kind of storage")
    if type(batch) is not int:
        raise TypeError(f"batch must be an int, not {type(batch).__name__}")
    if not 1 <= batch <= MAX_BATCH:
        raise ValueError(f"batch must lie between 1 and {MAX_BATCH}")


async def page_of(
    read: Callable[[_Stored, str], Session | None],
    stored: Iterable[tuple[str, _Stored]],
    after: str | None,
) -> SessionPage:
    """Make a page from what is stored, some of it at a time.

    Args:
        read: Reads what is stored under an id as a session. Returns None if it belongs to somebody
            else and is no session.
        stored: Each id, and what is stored under it.
        after: Where the next page begins.
    """
    page = SessionPage(after=after)
    for number, (id, one) in enumerate(stored):
        if number and number % SLICE == 0:
            await asyncio.sleep(0)
        try:
            session = read(one, id)
        except CorruptSessionError:
            page.corrupt.append(id)
        else:
            if session is not None:
                page.sessions.append(session)
    return page
