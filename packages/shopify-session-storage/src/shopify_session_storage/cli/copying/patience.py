"""How much a copy asks for at once: less, once a storage could not answer in time."""

import asyncio
from typing import Final

_MOST: Final = 500
_LEAST: Final = 8
_PAUSE_SECONDS: Final = 1


class Patience:
    """With one storage: a small server, or one that fails over, is no reason to give up a copy.

    Attributes:
        size: How many sessions to ask for at once.
    """

    def __init__(self) -> None:
        self.size = _MOST

    async def ask_for_less(self) -> bool:
        """Wait for a moment, after a failure; tell whether to try again, with the new size."""
        if self.size < _LEAST:
            return False
        self.size //= 4
        await asyncio.sleep(_PAUSE_SECONDS)
        return True
