"""What the table of another program cannot hold, as data, for a battery that runs on such a table.

All cases still run. What comes back is compared with what the difference declares. A session that
may be refused is either refused, and then nothing is stored under its id, or kept like any other.
"""

import unicodedata
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from shopify_session_storage.session import OnlineAccessInfo, Session


@dataclass(frozen=True)
class Difference:
    """One thing that a layout cannot hold.

    Attributes:
        name: Its name.
        kept: Turns a session into what comes back; None if the session may be refused.
        concerns: Tells whether a session may be refused, given the sessions that are stored.
    """

    name: str
    kept: Callable[[Session], Session] | None = None
    concerns: Callable[[Session, Collection[Session]], bool] = lambda session, stored: False


def _without_empty_token(session: Session) -> Session:
    return session if session.access_token else replace(session, access_token=None)


EMPTY_TOKEN_IS_NONE: Final = Difference("an empty access token is none", _without_empty_token)
"""The column of the access token is NOT NULL, as in the tables of Prisma and Drizzle."""


def unknown_is_false(*flags: str) -> Difference:
    """Return the difference of a table whose columns for flags of a user are NOT NULL.

    Args:
        flags: Names of :class:`AssociatedUser`'s fields.
    """

    def kept(session: Session) -> Session:
        if not session.is_online:
            return session
        info = session.online_access_info or OnlineAccessInfo()  # which is what comes back
        user = info.associated_user
        unknown: dict[str, Any] = {name: False for name in flags if getattr(user, name) is None}
        return replace(
            session, online_access_info=replace(info, associated_user=replace(user, **unknown))
        )

    return Difference(f"unknown is false: {', '.join(flags)}", kept)


def longer_than(characters: int, *names: str) -> Difference:
    """Return the difference of columns that hold at most so many characters.

    Args:
        characters: How many.
        names: Names of :class:`Session`'s fields.
    """
    return Difference(
        f"more than {characters} characters: {', '.join(names)}",
        concerns=lambda session, stored: any(
            len(getattr(session, name) or "") > characters for name in names
        ),
    )


def _is_alike(session: Session, stored: Collection[Session]) -> bool:
    return any(one.id != session.id and _folded(one.id) == _folded(session.id) for one in stored)


def _folded(text: str) -> str:
    letters = (
        letter if ord(letter) < 0x10000 else "?"
        for letter in unicodedata.normalize("NFD", text)
        if not unicodedata.combining(letter)
    )
    return "".join(letters).casefold().rstrip(" ")


IDS_IGNORE_CASE: Final = Difference(
    "ids that differ in case, accents, emoji or spaces at the end are one", concerns=_is_alike
)
"""The usual collations of MySQL and MariaDB."""

_END: Final = datetime(2038, 1, 19, 3, 14, 7, tzinfo=UTC)

DATES_END_IN_2038: Final = Difference(
    "dates end in 2038",
    concerns=lambda session, stored: any(
        date is not None and date > _END
        for date in (session.expires, session.refresh_token_expires)
    ),
)
"""MySQL's ``TIMESTAMP``."""
