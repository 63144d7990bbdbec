"""How a session's values are written in a column, depending on the kind of the column."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from shopify_session_storage.javascript import js_string
from shopify_session_storage.sql.layouts.columns import Kind, LiveColumn
from shopify_session_storage.sql.layouts.dates import (
    cut,
    in_units,
    read_date,
    to_digits,
    to_iso,
    without_zone,
)


@dataclass(frozen=True)
class Encoding:
    """How the values of one column are written and read.

    Attributes:
        kind: The kind of the written value.
        write: Turns a value that is not None into what is stored; None if that is the same.
        empty: What is stored for None.
        read: Turns what is stored into the value; None if that is the same.
        misfit: Says why a value cannot be stored, without showing it; None if every value can.
        holds: A number of characters that always fits, so that *misfit* is asked only about longer
            texts; None if it is asked about every value.
    """

    kind: Kind
    write: Callable[[Any], Any] | None = None
    empty: Any = None
    read: Callable[[Any], Any] | None = None
    misfit: Callable[[Any], str | None] | None = None
    holds: int | None = None


Encoder: TypeAlias = Callable[[LiveColumn], Encoding]


def text(column: LiveColumn) -> Encoding:
    """Text as it is. Where NULL cannot stand for None, the empty text does."""
    encoding = required_text(column)
    if column.nullable:
        return encoding
    return replace(encoding, empty="", read=_or_none)


def access_token(column: LiveColumn) -> Encoding:
    """Text; the empty one stands for None, as both JavaScript adapters have it."""
    return replace(text(column), empty="", read=_or_none)


def required_text(column: LiveColumn) -> Encoding:
    """Text that is always there."""
    return Encoding(Kind.TEXT, misfit=_length_misfit(column), holds=_surely_held(column))


def boolean(column: LiveColumn) -> Encoding:
    """A flag. Where NULL cannot stand for None, false does."""
    return Encoding(Kind.BOOLEAN, empty=None if column.nullable else False)


def integer_flag(column: LiveColumn) -> Encoding:
    """A flag as 0 or 1."""
    return Encoding(Kind.INTEGER, int, empty=None if column.nullable else 0)


def naive_date(column: LiveColumn) -> Encoding:
    """A datetime without a zone that has the digits of UTC."""
    cutting = cut(column.precision)
    return _date(column, Kind.TIMESTAMP, lambda date: without_zone(cutting(date)))


def aware_date(column: LiveColumn) -> Encoding:
    """A datetime with its zone."""
    return _date(column, Kind.TIMESTAMP_WITH_ZONE, cut(column.precision))


def digits_date(column: LiveColumn) -> Encoding:
    """The digits of UTC as text, in SQL's own form."""
    return _date(column, Kind.TEXT, to_digits(column.precision))


def iso_date(suffix: str) -> Encoder:
    """Return the encoding of dates as ISO 8601 with milliseconds, and *suffix* for UTC."""
    return lambda column: _date(column, Kind.TEXT, to_iso(suffix))


def integer_date(column: LiveColumn) -> Encoding:
    """Milliseconds since the epoch."""
    return _date(column, Kind.INTEGER, in_units(1))


def integer(column: LiveColumn) -> Encoding:
    """A user's id as a number."""
    largest = column.largest

    def misfit(value: int | None) -> str | None:
        if value is None:
            return _null_misfit(column)
        if largest is not None and value > largest:
            return f"holds numbers up to {largest}"
        return None

    limited = largest is not None or not column.nullable
    return Encoding(Kind.INTEGER, misfit=misfit if limited else None)


def digits(column: LiveColumn) -> Encoding:
    """A user's id as text."""
    return Encoding(Kind.TEXT, str, empty=None if column.nullable else "", read=_without_empty)


def binary_digits(column: LiveColumn) -> Encoding:
    """A user's id as the bytes of its digits; text is read, too."""
    empty = None if column.nullable else b""
    return Encoding(Kind.BINARY, lambda number: b"%d" % number, empty=empty, read=_from_bytes)


@dataclass(frozen=True, kw_only=True)
class Encodings:
    """For one kind of database: how each value of a session is written in each kind of column."""

    flag: Mapping[Kind, Encoder] = field(default_factory=lambda: {Kind.BOOLEAN: boolean})
    date: Mapping[Kind, Encoder] = field(
        default_factory=lambda: {
            Kind.TIMESTAMP: naive_date,
            Kind.TIMESTAMP_WITH_ZONE: aware_date,
        }
    )
    user_id: Mapping[Kind, Encoder] = field(
        default_factory=lambda: {Kind.INTEGER: integer, Kind.TEXT: digits}
    )


NATIVE: Final = Encodings()
"""For drivers that have datetimes and booleans of their own, such as those of PostgreSQL."""

_LOOSE_FLAGS: Final[Mapping[Kind, Encoder]] = {
    Kind.BOOLEAN: integer_flag,
    Kind.INTEGER: integer_flag,
}

DIGITS: Final = Encodings(date={Kind.TIMESTAMP: digits_date}, flag=_LOOSE_FLAGS)
"""For MySQL: dates as text, and flags as numbers."""


def sqlite_encodings(suffix: str, *, integer_dates: bool) -> Encodings:
    """Return the encodings for SQLite, which has no types of its own for dates and flags.

    Args:
        suffix: How UTC is written.
        integer_dates: Whether new dates are written as milliseconds. Both forms are read.
    """
    date = integer_date if integer_dates else iso_date(suffix)
    return Encodings(
        flag=_LOOSE_FLAGS,
        date={Kind.TIMESTAMP: date, Kind.TEXT: iso_date(suffix)},
        user_id={Kind.INTEGER: integer, Kind.TEXT: digits, Kind.BINARY: binary_digits},
    )


_END: Final = datetime(2038, 1, 19, 3, 14, 7, 999_999, tzinfo=UTC)


def _date(column: LiveColumn, kind: Kind, write: Callable[[datetime], Any]) -> Encoding:
    def misfit(value: datetime | None) -> str | None:
        if value is None:
            return _null_misfit(column)
        if column.ends_2038 and value > _END:
            return f"is a {column.type}, which ends in 2038"
        return None

    limited = column.ends_2038 or not column.nullable
    return Encoding(kind, write, read=read_date, misfit=misfit if limited else None)


def _null_misfit(column: LiveColumn) -> str | None:
    return None if column.nullable else "is NOT NULL, and the session has no such value"


def _length_misfit(column: LiveColumn) -> Callable[[str | None], str | None] | None:
    length, size = column.length, column.size
    if length is None and size is None:
        return None

    def misfit(value: str | None) -> str | None:
        if value is None:
            return None
        if length is not None and len(value) > length:
            return f"holds {length} characters, and the value has {len(value)}"
        if size is not None and len(value) * 4 > size and len(value.encode()) > size:
            return f"holds {size} bytes, and the value has {len(value.encode())}"
        return None

    return misfit


def _surely_held(column: LiveColumn) -> int | None:
    limits = [column.length, None if column.size is None else column.size // 4]
    return min((limit for limit in limits if limit is not None), default=None)


def _or_none(value: Any) -> Any:
    return None if value == "" else value


def _without_empty(value: Any) -> Any:
    return None if value == "" else js_string(value, "userId")


def _from_bytes(value: Any) -> Any:
    return _or_none(value.decode("ascii") if isinstance(value, bytes) else value)
