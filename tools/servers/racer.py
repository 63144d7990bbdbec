"""One of the processes that compare and lease beside each other; see ``racing.py``."""

import asyncio
import json
import os
import signal
import sys
from dataclasses import replace
from datetime import timedelta
from typing import Any

from shopify_session_storage import Session, open_session_storage


async def _count(url: str, options: dict[str, Any], shop: str, to: int) -> list[int]:
    session = Session(id=f"offline_{shop}", shop=shop, state="", is_online=False)
    steps: list[int] = []
    async with open_session_storage(url, **options) as storage:
        while True:
            found = await storage.load_session(session.id)
            step = 1 if found is None else step_of(found) + 1
            if step > to:
                return steps
            # No two processes ever have the same token: of equal ones either may count as stored.
            token = f"{step} {os.getpid()}"
            if await storage.compare_and_store(replace(session, access_token=token), found):
                steps.append(step)


def step_of(session: Session) -> int:
    """Return how far the access token of a session has been counted."""
    return int((session.access_token or "").partition(" ")[0])


async def _die(url: str, options: dict[str, Any], name: str, milliseconds: int) -> None:
    storage = open_session_storage(url, **options)
    ttl = timedelta(milliseconds=milliseconds)
    print(json.dumps([await storage.acquire_lease(name, "dead", ttl)]), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


async def _lease(url: str, options: dict[str, Any], name: str, number: int) -> list[bool]:
    async with open_session_storage(url, **options) as storage:
        return [await storage.acquire_lease(name, f"holder {number}", timedelta(minutes=1))]


def _main(work: str, url: str, options: str, name: str, number: str) -> None:
    if work == "die":
        asyncio.run(_die(url, json.loads(options), name, int(number)))
    elif work == "lease":
        print(json.dumps(asyncio.run(_lease(url, json.loads(options), name, int(number)))))
    else:
        print(json.dumps(asyncio.run(_count(url, json.loads(options), name, int(number)))))


if __name__ == "__main__":
    _main(*sys.argv[1:])
