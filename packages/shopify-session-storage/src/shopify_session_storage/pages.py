"""Walking through a storage: what a page is, and what may be asked for."""

from dataclasses import dataclass, field

from shopify_session_storage.session import Session

MAX_BATCH = 10_000
"""How many sessions a page may be asked to have."""


@dataclass(frozen=True)
class SessionPage:
    """Some of the sessions of a storage.

    Attributes:
        sessions: The sessions, each the caller's own.
        corrupt: The ids of what is stored there and cannot be read.
        after: Where the next page begins, for any process at any later time; None if this is the
            last one.
    """

    sessions: list[Session] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)
    after: str | None = None


def check_scan(after: str | None, batch: int) -> None:
    """Check the arguments of ``scan_sessions()``.

    Raises:
        TypeError: If *after* is neither a str nor None, or *batch* not an int.
        ValueError: If *batch* is not from 1 to 10,000.
    """
    if after is not None and not isinstance(after, str):
        raise TypeError(f"after must be a str or None, not {type(after).__name__}")
    if type(batch) is not int:
        raise TypeError(f"batch must be an int, not {type(batch).__name__}")
    if not 1 <= batch <= MAX_BATCH:
        raise ValueError(f"batch must lie between 1 and {MAX_BATCH}")
