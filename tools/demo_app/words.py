"""Tokens, dates and people in words that may be shown to anybody."""

from datetime import UTC, datetime

from shopify_session_storage import AssociatedUser

_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def mask(token: str | None) -> str:
    """Return what may be shown of *token*: its kind and at most the last four characters."""
    if not token:
        return "-"
    kind, underscore, rest = token.rpartition("_")
    return f"{kind}{underscore}…{rest[-4:] if len(rest) >= 16 else ''}"


def duration(seconds: int) -> str:
    """Return a duration in its largest unit, rounded down: ``59 minutes``."""
    for size, unit in _UNITS:
        count = seconds // size
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "a moment"


def when(moment: datetime | None) -> str:
    """Return when a token expires, as seen from now."""
    if moment is None:
        return "never"
    seconds = int((moment - datetime.now(UTC)).total_seconds())
    return f"in {duration(seconds)}" if seconds > 0 else f"expired {duration(-seconds)} ago"


def full_name(user: AssociatedUser) -> str:
    """Return the name of *user*, or the id if there is none."""
    names = " ".join(name for name in (user.first_name, user.last_name) if name)
    return names or f"user {user.id}"
