"""What the storage itself warns of, such as an index that it may not make."""

import logging
from types import TracebackType
from typing import Final, Self

from shopify_session_storage.cli.examining.findings import Finding

_LOGGER: Final = logging.getLogger("shopify_session_storage")


class Logs(logging.Handler):
    """Takes down warnings of storages, none of which shows a token."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._others: list[logging.Handler] = []
        self._told: dict[str, None] = {}

    def __enter__(self) -> Self:
        # They are told once, as findings.
        self._others, _LOGGER.handlers = _LOGGER.handlers, [self]
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _LOGGER.handlers = self._others

    def emit(self, record: logging.LogRecord) -> None:
        self._told[record.getMessage()] = None

    def findings(self) -> list[Finding]:
        """Return what it was told."""
        return [Finding("warning", "warn", text) for text in self._told]
