"""Processes that compare and lease beside each other on one backend."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from shopify_session_storage import (
    Session,
    SessionStorage,
    SessionStorageUnavailableError,
    open_session_storage,
)

from servers.racer import step_of

_SECONDS = 60.0


def count_in_processes(url: str, options: dict[str, Any], *, to: int = 100) -> None:
    """Let two processes count in the access token of one session, each one step at a time.

    Raises:
        AssertionError: If two have made the same step, or one is missing at the end.
    """
    shop = f"{uuid4().hex}.myshopify.com"
    processes = [_start("count", url, options, shop, to) for _ in range(2)]
    steps = [step for process in processes for step in _finish(process)]
    assert sorted(steps) == list(range(1, to + 1)), "a step was made twice, or by nobody"
    assert asyncio.run(_last_step(url, options, shop)) == to


def lease_of_the_dead(url: str, options: dict[str, Any]) -> None:
    """Kill a process that has a lease, and get the lease when its time is over.

    Raises:
        AssertionError: If it cannot be had, or if it could be had at once.
    """
    name = uuid4().hex
    process = _start("die", url, options, name, 500)
    assert _finish(process) == [True]
    assert process.returncode == -signal.SIGKILL
    asyncio.run(_inherit(url, options, name))


def first_lease_in_processes(url: str, options: dict[str, Any]) -> None:
    """Let twenty processes want one lease, each under a name of its own, at the same moment.

    Raises:
        AssertionError: If a process fails, or not exactly one has it.
    """
    name = "name"
    processes = [_start("lease", url, options, name, number) for number in range(20)]
    got = [_finish(process) for process in processes]
    assert sorted(got) == [[False]] * 19 + [[True]]


async def count_through_cuts(
    storage: SessionStorage, cut: Callable[[], None], to: int = 100
) -> None:
    """Count in the access token of a session of *storage* while its connections are cut.

    Nobody else counts, so a step that is not made is one whose first try took effect unseen.

    Raises:
        AssertionError: If a comparison is lost.
    """
    session = Session(id=f"offline_{uuid4().hex}", shop="counted", state="", is_online=False)
    found = None

    async def keep_cutting() -> None:
        while True:
            # A connection, with TLS, must have a chance of being made in between.
            await asyncio.sleep(random.uniform(0, 0.06))
            cut()

    await storage.ready()
    cutting = asyncio.ensure_future(keep_cutting())
    try:
        until = time.monotonic() + _SECONDS
        for step in range(to):
            assert time.monotonic() < until or step > to / 4, "the cuts are too many"
            if time.monotonic() > until:
                break
            newer = replace(session, access_token=str(step))
            try:
                assert await storage.compare_and_store(newer, found), f"step {step} is lost"
                found = newer
            except SessionStorageUnavailableError:  # cut twice, so it is unknown
                found = await _load_through_cuts(storage, session.id)
    finally:
        cutting.cancel()
    await storage.delete_session(session.id)


async def _load_through_cuts(storage: SessionStorage, id: str) -> Session | None:
    until = time.monotonic() + _SECONDS
    while True:
        try:
            return await storage.load_session(id)
        except SessionStorageUnavailableError:
            assert time.monotonic() < until, "the cuts are too many"


async def _last_step(url: str, options: dict[str, Any], shop: str) -> int:
    async with open_session_storage(url, **options) as storage:
        session = await storage.load_session(f"offline_{shop}")
        assert session is not None
        assert await storage.find_sessions_by_shop(shop) == [session]
        await storage.delete_session(session.id)
        return step_of(session)


async def _inherit(url: str, options: dict[str, Any], name: str) -> None:
    async with open_session_storage(url, **options) as storage:
        deadline = time.monotonic() + _SECONDS
        while not await storage.acquire_lease(name, "heir", timedelta(minutes=1)):
            assert time.monotonic() < deadline, "the lease of a dead process does not end"
            await asyncio.sleep(0.01)
        assert not await storage.acquire_lease(name, "other", timedelta(minutes=1))
        await storage.release_lease(name, "heir")


def _start(
    work: str, url: str, options: dict[str, Any], name: str, number: int
) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "servers.racer", work, url, json.dumps(options), name]
    paths = [str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [*command, str(number)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )


def _finish(process: "subprocess.Popen[str]") -> list[Any]:
    output, _ = process.communicate(timeout=_SECONDS)
    result: list[Any] = json.loads(output)
    return result
