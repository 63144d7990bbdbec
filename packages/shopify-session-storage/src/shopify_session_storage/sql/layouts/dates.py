"""Dates as the databases and their drivers have them; all of ours are in UTC."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from shopify_session_storage.errors import InvalidSessionError
from shopify_session_storage.javascript import from_milliseconds, js_number, to_milliseconds


def read_date(value: Any) -> datetime | None:
    """Read a date in any form that Prisma or Drizzle may have left: in whole milliseconds, in UTC.

    These are a datetime, ISO 8601 text with or without a zone, which is UTC then, and
    milliseconds since the epoch, as a number or as digits.

    Raises:
        InvalidSessionError: If it is something else.
    """
    if type(value) is datetime:
        return _in_utc(value)
    if value is None or value == "":
        return None
    if isinstance(value, str) and (value[4:5] == "-" or not value.lstrip("-").isdigit()):
        try:
            return _in_utc(datetime.fromisoformat(value))
        except (ValueError, OverflowError):
            raise InvalidSessionError("a date is not in ISO 8601") from None
    if isinstance(value, str | int | float):
        return from_milliseconds(int(js_number(value)), "a date")
    raise InvalidSessionError("a date is neither text nor a number")


def _in_utc(date: datetime) -> datetime:
    zone = date.tzinfo
    if zone is None:
        date = date.replace(tzinfo=UTC)
    elif zone is not UTC:
        date = date.astimezone(UTC)
    rest = date.microsecond % 1000
    return date.replace(microsecond=date.microsecond - rest) if rest else date


def cut(precision: int) -> Callable[[datetime], datetime]:
    """Return what cuts a date to so many digits of a second, since a database might round it up."""
    step = 10 ** max(0, 6 - precision)

    def cutting(date: datetime) -> datetime:
        rest = date.microsecond % step
        return date.replace(microsecond=date.microsecond - rest) if rest else date

    return cutting


def to_iso(suffix: str) -> Callable[[datetime], str]:
    """Return what writes a date as ISO 8601 with milliseconds, and *suffix* for UTC."""
    return lambda date: date.isoformat(timespec="milliseconds")[:-6] + suffix


def to_digits(precision: int) -> Callable[[datetime], str]:
    """Return what writes a date as SQL does, with so many digits of a second."""
    end = 19 + (precision + 1 if precision else 0)
    return lambda date: date.isoformat(" ", "microseconds")[:end]


def in_units(unit: int) -> Callable[[datetime], int]:
    """Return what makes a number of a date, in units of so many milliseconds."""
    return lambda date: to_milliseconds(date) // unit
