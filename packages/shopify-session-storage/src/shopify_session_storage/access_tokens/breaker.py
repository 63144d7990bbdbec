"""Leaves the token endpoint alone as a whole while it fails for many shops."""

import logging
import random
import time
from typing import Final

_logger: Final = logging.getLogger("shopify_session_storage.access_tokens")
_now = time.monotonic

# So many different shops in a row, within so many seconds: not one shop's own trouble.
_SHOPS: Final = 5
_WITHIN: Final = 60.0
_FIRST_REST: Final = 1.0
_LONGEST_REST: Final = 30.0


class Breaker:
    """Knows whether the endpoint may be asked now.

    It opens when requests for several shops have failed with no answer between: then nobody asks,
    for a second at first. After that one request at a time tries; one that is answered closes it,
    one that fails makes the next rest twice as long, up to half a minute.
    """

    def __init__(self) -> None:
        self._failing: dict[str, float] = {}  # by shop, when
        self._until: float | None = None  # None: closed
        self._rests = 0
        self._probing = False

    def ask(self) -> float:
        """Return 0 if the endpoint may be asked, else for how many seconds not to.

        Who gets 0 says with :meth:`tell` how it went, whatever happens.
        """
        if self._until is None:
            return 0.0
        left = self._until - _now()
        if left > 0:
            return left
        if self._probing:
            return _FIRST_REST
        self._probing = True
        return 0.0

    def tell(self, shop: str, *, answered: bool | None) -> None:
        """Note how a request went.

        Args:
            shop: The shop that it was for.
            answered: Whether the endpoint did its work, whatever it answered; None if nobody
                waited for it.
        """
        if answered:
            if self._until is not None:
                _logger.info("Shopify's token endpoint answers again")
            self._failing.clear()
            self._until, self._rests, self._probing = None, 0, False
        elif answered is None:
            self._probing = False
        elif self._until is None:
            now = _now()
            self._failing[shop] = now
            recent = {name: at for name, at in self._failing.items() if at > now - _WITHIN}
            self._failing = recent
            if len(recent) >= _SHOPS:
                seconds = self._open()
                _logger.warning(
                    "Shopify's token endpoint fails for many shops: left alone for %.1f s", seconds
                )
        elif self._probing:
            self._open()

    def _open(self) -> float:
        longest = min(_LONGEST_REST, _FIRST_REST * 2.0**self._rests)
        seconds = longest * random.uniform(0.5, 1)  # noqa: S311  # processes not in step
        self._rests = min(self._rests + 1, 10)
        self._until, self._probing = _now() + seconds, False
        return seconds
