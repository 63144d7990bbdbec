"""Whether two versions of a session are the same, and which one is to stay."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from shopify_session_storage.session import Session
from shopify_session_storage.stored import copy_session, is_same_write

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class OnConflict(StrEnum):
    """What becomes of a session that the target has, too, in another version.

    Attributes:
        NEWER: The one stays whose tokens expire later, which is the one that was refreshed last.
        KEEP: The target's.
        OVERWRITE: The source's.
    """

    NEWER = "newer"
    KEEP = "keep"
    OVERWRITE = "overwrite"

    def replaces(self, source: Session, target: Session) -> bool:
        """Tell whether *source* takes the place of *target*."""
        if self is OnConflict.NEWER:
            return _freshness(source) > _freshness(target)
        return self is OnConflict.OVERWRITE


def is_same(one: Session, other: Session) -> bool:
    """Tell whether two versions are the same, in all that every layout keeps."""
    one, other = _in_seconds(one), _in_seconds(other)
    # The first question is the cheap one. What is equal to JavaScript may differ for Python.
    return one == other or (is_same_write(one, other) and one.equals(other))


def _in_seconds(session: Session) -> Session:
    copy = copy_session(session)
    copy.expires = _whole(session.expires)
    copy.refresh_token_expires = _whole(session.refresh_token_expires)
    return copy


def _whole(date: datetime | None) -> datetime | None:
    return None if date is None else date.replace(microsecond=0)


def _freshness(session: Session) -> tuple[datetime, datetime]:
    # Refresh tokens count first. A token without any, which never expires, is an old one: those
    # that replace it do expire.
    return (
        _whole(session.refresh_token_expires) or _NEVER,
        _whole(session.expires) or _NEVER,
    )
