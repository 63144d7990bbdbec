"""The coercions of JavaScript that decide what a stored value means.

They follow ``Session.fromPropertyArray()`` of Shopify's ``@shopify/shopify-api`` 15.0.0. No
message contains a value, because a value may be a token.
"""

import math
import re
import sys
from datetime import UTC, datetime, timedelta
from numbers import Number
from typing import Any, Final

from shopify_session_storage.errors import InvalidSessionError

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_DECIMAL: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_OTHER_RADIX: Final = re.compile(r"0([xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)", re.ASCII)
_LARGEST: Final = sys.float_info.max
_WHITESPACE: Final = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)


def to_milliseconds(date: datetime) -> int:
    """Return *date* as milliseconds since the epoch, rounded down."""
    return (date - EPOCH) // _MILLISECOND


def from_milliseconds(milliseconds: float, name: str) -> datetime:
    """Return the date, in UTC, that is *milliseconds* after the epoch.

    Raises:
        InvalidSessionError: If that is outside the years 1 to 9999; the message has the *name*.
    """
    try:
        return EPOCH + timedelta(0, 0, 0, milliseconds)
    except OverflowError:
        raise InvalidSessionError(f"{name} is out of range") from None


def js_trim(text: str) -> str:
    """Strip what ``text.trim()`` strips, which is not quite what ``str.strip()`` does."""
    return text.strip(_WHITESPACE)


def js_number(value: object) -> float:
    """Coerce as ``Number(value)``. What is not a number is a NaN."""
    if isinstance(value, int | float):
        return value
    if isinstance(value, str):
        text = js_trim(value)
        if not text:
            return 0
        if _OTHER_RADIX.fullmatch(text):
            return int(text, 0)
        if _DECIMAL.fullmatch(text):
            try:
                return int(text)
            except ValueError:
                return float(text)
    if isinstance(value, Number):  # a Decimal, of a column that is NUMERIC
        number: Any = value
        return int(number) if float(number).is_integer() else float(number)
    return math.nan


def js_date(value: object, name: str, unit: int = 1) -> datetime | None:
    """Coerce a number of *unit* milliseconds as ``value ? new Date(Number(value)) : undefined``.

    Raises:
        InvalidSessionError: If JavaScript would make an Invalid Date of it.
    """
    if type(value) is int:
        return from_milliseconds(value * unit, name) if value else None
    if type(value) is datetime:
        return value
    if value is None or value == "" or value != value or value == 0:
        return None
    number = js_number(value)
    if not _is_finite(number):
        raise InvalidSessionError(f"{name} is not a date")
    return from_milliseconds(math.trunc(number * unit), name)


def js_string(value: object, name: str) -> str | None:
    """Coerce as ``String(value)``.

    Raises:
        InvalidSessionError: If it is an array, an object, a NaN or infinite.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        if 1e-6 <= abs(value) < 1e21:
            from decimal import Decimal  # slow to import, and needed here alone

            return f"{Decimal(repr(value)):f}".removesuffix(".0")
        return repr(value).replace("e-0", "e-") if value else "0"
    raise InvalidSessionError(f"{name} is not a string")


def js_flag(value: object) -> bool | None:
    """Coerce as ``Boolean(value)``. The strings "false" and "0" are true."""
    if value is None:
        return None
    # Lists and objects are true even when they are empty, and a NaN is false.
    return isinstance(value, list | dict) or (bool(value) and value == value)


def js_is_online(value: object) -> bool:
    """Coerce ``isOnline``: "true" in any case, and numbers but 0 and NaN, are true.

    Raises:
        InvalidSessionError: If it is missing, or an array or an object.
    """
    if isinstance(value, str):
        return value.lower() == "true"
    if isinstance(value, Number):
        return bool(value) and value == value
    raise InvalidSessionError(
        "isOnline is missing" if value is None else "isOnline is not a boolean"
    )


def js_user_id(value: object) -> int | None:
    """Coerce a user's id as ``Number(value)``, to an integer.

    Raises:
        InvalidSessionError: If it is not an integer.
    """
    if value is None:
        return None
    number = js_number(value)
    if not _is_finite(number) or number != int(number):
        raise InvalidSessionError("userId is not an integer")
    return int(number)


def _is_finite(number: float) -> bool:
    # math.isfinite() fails for an int that no float holds, which JavaScript reads as Infinity.
    return abs(number) <= _LARGEST
