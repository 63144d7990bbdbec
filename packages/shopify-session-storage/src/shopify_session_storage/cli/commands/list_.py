"""``list``: which sessions there are."""

import argparse
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from shopify_session_storage.cli.exits import Exit, Stop
from shopify_session_storage.cli.masking import masked
from shopify_session_storage.cli.opening import opened_to_read
from shopify_session_storage.cli.printing import Column, Output, date_text
from shopify_session_storage.cli.words import add_place, duration, place_of
from shopify_session_storage.errors import CorruptSessionError
from shopify_session_storage.ids import sanitize_shop
from shopify_session_storage.pages import SessionPage
from shopify_session_storage.session import Session
from shopify_session_storage.storage import SessionStorage

HELP: Final = "list the sessions, with masked tokens"
DESCRIPTION: Final = """\
Lists the sessions, with masked tokens and dates in UTC. On a terminal the
list is a table. In a pipe or file, each line has the whole values of one
session, separated by tabs, and there is no heading. --json writes one JSON
object a line.
"""

_COLUMNS: Final = (
    Column("ID", 0, 24),
    Column("TYPE", 3),
    Column("EXPIRES", 1),
    Column("REFRESH UNTIL", 2),
    Column("TOKEN", 4),
    Column("SHOP", 5, 20),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words of this command."""
    add_place(parser)
    parser.add_argument(
        "--shop", metavar="S", help="only those of one shop: my-shop, or its domain"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--expired", action="store_true", help="only those that have no valid token any more"
    )
    which.add_argument(
        "--due",
        type=duration,
        metavar="D",
        help="only those whose last token expires within this time, such as 14d",
    )


async def run(arguments: argparse.Namespace, output: Output) -> Exit:
    """List sessions."""
    async with opened_to_read(place_of(arguments)) as storage:
        unreadable = found = 0
        async for page in _pages(storage, arguments.shop):
            chosen = [
                session
                for session in page.sessions
                if _is_wanted(session, expired=arguments.expired, due=arguments.due)
            ]
            unreadable += len(page.corrupt)
            if output.as_json:
                for session in chosen:
                    output.json(described(session))
                for id in page.corrupt:
                    output.json({"id": id, "corrupt": True})
            elif chosen or page.corrupt:
                rows = [*map(_row, chosen), *map(_unreadable_row, page.corrupt)]
                output.table(_COLUMNS, rows, go_on=found > 0)
            found += len(chosen) + len(page.corrupt)
    if unreadable:
        output.say(f"{unreadable} stored entries cannot be read as sessions")
        return Exit.PARTIAL
    if not found and output.is_terminal and not output.as_json:
        output.say("there are none")
    return Exit.DONE


def described(session: Session) -> dict[str, Any]:
    """Return what may be shown of a session."""
    user = session.online_access_info and session.online_access_info.associated_user
    return {
        "id": session.id,
        "shop": session.shop,
        "type": "online" if session.is_online else "offline",
        "user_id": user.id if user else None,
        "scope": session.scope,
        "expires": session.expires,
        "access_token": masked(session.access_token),
        "refresh_token": masked(session.refresh_token),
        "refresh_token_expires": session.refresh_token_expires,
    }


def last_end(session: Session) -> datetime | None:
    """Return when a session is of no use any more; None if that is never, or unknown."""
    if session.expires is None or session.refresh_token is None:
        return session.expires
    ends = session.refresh_token_expires
    return None if ends is None else max(ends, session.expires)


async def _pages(storage: SessionStorage, shop: str | None) -> AsyncIterator[SessionPage]:
    if shop is None:
        async for page in storage.scan_sessions():
            yield page
        return
    try:
        found = await storage.find_sessions_by_shop(sanitize_shop(shop) or shop)
    except CorruptSessionError as error:
        raise Stop(str(error), Exit.PARTIAL) from None
    except ValueError as error:
        raise Stop(str(error), Exit.USAGE) from None
    yield SessionPage(found)


def _is_wanted(session: Session, *, expired: bool, due: timedelta | None) -> bool:
    if not expired and due is None:
        return True
    end, now = last_end(session), datetime.now(UTC)
    if end is None:
        return False
    return end < now if due is None else now <= end < now + due


def _row(session: Session) -> Sequence[str]:
    user = session.online_access_info and session.online_access_info.associated_user.id
    kind = "offline"
    if session.is_online:
        kind = f"online {user}" if user is not None else "online"
    return (
        session.id,
        kind,
        date_text(session.expires) or "never",
        date_text(session.refresh_token_expires)
        or ("no refresh token" if session.refresh_token is None else "unknown"),
        masked(session.access_token) or "none",
        session.shop,
    )


def _unreadable_row(id: str) -> Sequence[str]:
    return (id, "unreadable", "", "", "", "")
