"""``show``: one session."""

import argparse
import sys
from typing import Any, Final

from shopify_session_storage.cli.commands.list_ import described
from shopify_session_storage.cli.exits import Exit, Stop
from shopify_session_storage.cli.masking import printable
from shopify_session_storage.cli.opening import opened_to_read
from shopify_session_storage.cli.printing import Output, date_text
from shopify_session_storage.cli.words import add_place, place_of
from shopify_session_storage.errors import CorruptSessionError
from shopify_session_storage.session import Session

HELP: Final = "show one session, with masked tokens"
DESCRIPTION: Final = """\
Shows one session, with masked tokens. --reveal shows the tokens: only on a
terminal, and only after you confirm.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words of this command."""
    add_place(parser)
    parser.add_argument(
        "id", metavar="ID", help="the session, such as offline_my-shop.myshopify.com"
    )
    parser.add_argument("--reveal", action="store_true", help="show its tokens; needs a terminal")


async def run(arguments: argparse.Namespace, output: Output) -> Exit:
    """Show a session."""
    place = place_of(arguments)
    if "://" in arguments.id:  # a URL in the wrong place, with a password perhaps
        raise Stop("ID is the id of a session", Exit.USAGE)
    if arguments.reveal:
        _ask(arguments.id, output)
    async with opened_to_read(place) as storage:
        try:
            session = await storage.load_session(arguments.id)
        except CorruptSessionError as error:
            raise Stop(str(error), Exit.PARTIAL) from None
        except ValueError as error:
            raise Stop(str(error), Exit.USAGE) from None
    if session is None:
        raise Stop(f"there is no session {arguments.id!r} at {place}", Exit.PARTIAL)
    shown = described(session) | _user(session)
    if arguments.reveal:
        shown |= {
            "access_token": session.access_token,
            "refresh_token": session.refresh_token,
        }
    if output.as_json:
        output.json(shown)
        return Exit.DONE
    width = max(map(len, shown))
    for name, value in shown.items():
        label = name.replace("_", " ").ljust(width)
        output.line(f"{label}  {_text(name, value)}".rstrip())
    return Exit.DONE


def _ask(id: str, output: Output) -> None:
    """Ask whether tokens are to be shown.

    Raises:
        Stop: If there is nobody to ask, or the answer is no.
    """
    if not (sys.stdin.isatty() and output.is_terminal and sys.stderr.isatty()):
        raise Stop("--reveal asks first, so it needs a terminal", Exit.USAGE)
    sys.stderr.write(f"Show the tokens of {printable(id)} on this terminal? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Stop("not shown", Exit.PARTIAL)


def _user(session: Session) -> dict[str, Any]:
    if session.online_access_info is None:
        return {}
    user = session.online_access_info.associated_user
    name = " ".join(part for part in (user.first_name, user.last_name) if part)
    return {"user_name": name or None, "user_email": user.email}


def _text(name: str, value: Any) -> str:
    if value is None:
        return "never" if name == "expires" else "none"
    return f"{date_text(value)} UTC" if hasattr(value, "tzinfo") else printable(str(value))
