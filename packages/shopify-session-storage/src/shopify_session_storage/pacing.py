"""Long work in steps so short, with rests between, that those who are in a hurry hardly notice."""

import asyncio
from typing import Final

STEP: Final = 100
"""How many sessions a step has at most. Reading 500 at once holds the event loop for some
milliseconds, with some drivers for fifty, and each load that comes then waits as long."""


def step_of(storage: object, batch: int) -> int:
    """Return how many of *batch* sessions a step has at most in *storage*."""
    most: int = getattr(storage, "max_step_items", STEP)
    return min(batch, most)


class Pace:
    """Rests between steps, for as long as the step before took."""

    def __init__(self) -> None:
        self._clock = asyncio.get_running_loop().time
        self._begun = self._clock()

    async def rest(self) -> None:
        """Rest; then the next step begins."""
        await asyncio.sleep(self._clock() - self._begun)
        self._begun = self._clock()
