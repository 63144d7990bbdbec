"""Values, each of the type that it must have. Messages name it, and show nothing."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from shopify_session_storage.errors import InvalidSessionError


def text(values: Mapping[str, Any], name: str) -> str:
    """Return a text that must be there."""
    value = optional_text(values, name)
    if value is None:
        raise InvalidSessionError(f"{name} is missing")
    return value


def optional_text(values: Mapping[str, Any], name: str) -> str | None:
    """Return a text, or None."""
    value = values.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidSessionError(f"{name} is not a string")
    return value


def optional_flag(values: Mapping[str, Any], name: str) -> bool | None:
    """Return a boolean, or None."""
    value = values.get(name)
    if value is not None and not isinstance(value, bool):
        raise InvalidSessionError(f"{name} is not a boolean")
    return value


def flag(values: Mapping[str, Any], name: str) -> bool:
    """Return a boolean that must be there."""
    value = optional_flag(values, name)
    if value is None:
        raise InvalidSessionError(f"{name} is missing")
    return value


def optional_date(values: Mapping[str, Any], name: str) -> datetime | None:
    """Return a date, or None; ISO 8601 text will do. It may lack a time zone."""
    value = values.get(name)
    if isinstance(value, str):  # as JSON has it, from Python or from JavaScript
        try:
            date = datetime.fromisoformat(value)
            return date if date.tzinfo is None else date.astimezone(UTC)
        except (ValueError, OverflowError):
            value = ...
    if value is not None and not isinstance(value, datetime):
        raise InvalidSessionError(f"{name} is not a datetime, nor one as ISO 8601 text")
    return value


def optional_integer(values: Mapping[str, Any], name: str) -> int | None:
    """Return an integer, or None; a whole float or decimal will do."""
    value = values.get(name)
    # MongoDB and DynamoDB give the numbers that JavaScript wrote as floats or decimals.
    if value is None:
        return None
    try:
        if isinstance(value, bool | str) or value != int(value):
            raise TypeError
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidSessionError(f"{name} is not an integer") from None


def check_date(name: str, value: object) -> None:
    """Raise TypeError unless *value* is a datetime, ValueError unless it has a time zone."""
    if not isinstance(value, datetime):
        raise TypeError(f"{name} must be a datetime, not {type(value).__name__}")
    if value.tzinfo is None or value.utcoffset() is None:
        raise InvalidSessionError(f"{name} must be timezone-aware")
