"""Waiting for what goes on if the one who waits is cancelled."""

import asyncio
from typing import TypeVar

_R = TypeVar("_R")


async def result_of(work: "asyncio.Future[_R]") -> _R:
    """Wait for *work*, which goes on if the caller is cancelled, and return its result.

    Not behind a shield: from Python 3.14 on that reports to the event loop what fails after its
    caller has been cancelled, with a text that nobody has looked through for secrets.
    """
    if not work.done():
        await asyncio.wait([work])
    return work.result()
