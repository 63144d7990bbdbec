"""Dates as the databases and their drivers have them; all of ours are in UTC."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from shopify_session_storage.errors import InvalidSessionError
from shopify_session_storage.javascript import (
    EPOCH,
    from_milliseconds,
    js_number,
    to_milliseconds,
)

# By way of the epoch a zone is put on and taken off in a tenth of what replace() takes, and every
# load and store has two dates.
_EPOCH_WITHOUT_ZONE: Final = EPOCH.replace(tzinfo=None)


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
    if isinstance(value, datetime):  # of a class that the user's types or codecs make
        return _in_utc(datetime.fromisoformat(value.isoformat()))
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
        date = EPOCH + (date - _EPOCH_WITHOUT_ZONE)
    elif zone is not UTC:
        date = date.astimezone(UTC)
    rest = date.microsecond % 1000
    return date - timedelta(0, 0, rest) if rest else date


def without_zone(date: datetime) -> datetime:
    """Return a date of UTC as a datetime that does not say so."""
    return _EPOCH_WITHOUT_ZONE + (date - EPOCH)


def cut(precision: int) -> Callable[[datetime], datetime]:
    """Return what cuts a date to so many digits of a second, since a database might round it up."""
    step = 10 ** max(0, 6 - precision)

    def cutting(date: datetime) -> datetime:
        rest = date.microsecond % step
        return date - timedelta(0, 0, rest) if rest else date

    return cutting


def to_iso(suffix: str) -> Callable[[datetime], str]:
    """Return what writes a date as ISO 8601 with milliseconds, and *suffix* for UTC."""
    return lambda date: without_zone(date).isoformat("T", "milliseconds") + suffix


def to_digits(precision: int) -> Callable[[datetime], str]:
    """Return what writes a date as SQL does, with so many digits of a second."""
    end = 19 + (precision + 1 if precision else 0)
    return lambda date: without_zone(date).isoformat(" ", "microseconds")[:end]


def in_units(unit: int) -> Callable[[datetime], int]:
    """Return what makes a number of a date, in units of so many milliseconds."""
    return lambda date: to_milliseconds(date) // unit
