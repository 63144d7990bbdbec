"""Arguments that several commands take, and how they are read."""

import argparse
import re
from datetime import UTC, datetime, timedelta
from typing import Final

from shopify_session_storage.cli.urls import Place, place

_DURATION: Final = re.compile(r"(\d{1,4})([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def add_place(parser: argparse.ArgumentParser) -> None:
    """Add the words that name one storage."""
    parser.add_argument("url", nargs="?", metavar="URL", help="the storage, or env:NAME")
    parser.add_argument(
        "--url-env", metavar="NAME", help="the environment variable that holds the URL"
    )
    parser.add_argument(
        "--table",
        metavar="NAME",
        help="its table, collection or key prefix (shopify_sessions)",
    )


def place_of(arguments: argparse.Namespace) -> Place:
    """Return the storage that :func:`add_place`'s words name."""
    return place(arguments.url, arguments.url_env, arguments.table)


def duration(text: str) -> timedelta:
    """Read a duration such as ``14d`` or ``12h``."""
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 14d, 12h or 30m")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def moment(text: str) -> datetime:
    """Read a date, in UTC if it names no time zone, or how long ago it was, such as ``30d``."""
    if _DURATION.fullmatch(text.strip().lower()):
        return datetime.now(UTC) - duration(text)
    try:
        date = datetime.fromisoformat(text.strip())
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a date such as 2026-10-01 nor a duration such as 30d"
        ) from None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
