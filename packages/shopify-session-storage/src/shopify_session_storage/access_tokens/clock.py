"""Notices a wrong local clock: expiries are counted from it."""

import logging
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

_logger: Final = logging.getLogger("shopify_session_storage.access_tokens")
_TOLERATED: Final = timedelta(seconds=30)
_SECOND: Final = timedelta(seconds=1)  # a Date header has no fractions


class ClockCheck:
    """Compares the local clock with that of the endpoint, and warns once if they differ."""

    def __init__(self) -> None:
        self._warned = False

    def look(self, date: str | None, asked: datetime) -> None:
        """Look at an answer that has just come.

        Args:
            date: Its ``Date`` header, if there is one.
            asked: When it was asked for, by the local clock.
        """
        if date is None or self._warned:
            return
        try:
            theirs = parsedate_to_datetime(date)
        except (TypeError, ValueError, OverflowError):
            return
        if theirs.tzinfo is None:
            theirs = theirs.replace(tzinfo=UTC)
        behind, ahead = theirs - datetime.now(UTC), asked - theirs - _SECOND
        if max(behind, ahead) <= _TOLERATED:
            return
        self._warned = True
        _logger.warning(
            "The clock of this machine is about %d s %s Shopify's: the expiries of access tokens "
            "are counted from it. Set it, by NTP for instance.",
            round(max(behind, ahead).total_seconds()),
            "behind" if behind > ahead else "ahead of",
        )
