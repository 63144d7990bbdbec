"""What core does about each verdict: one attempt after another, within the time limit."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from shopify_session_storage.failures import OutOfTimeError, Verdict, hide_locals
from shopify_session_storage.grouping import SLOW_SECONDS
from shopify_session_storage.groups import Group

_A = TypeVar("_A")
_R = TypeVar("_R")

# Conflicts that are told at once, such as deadlocks, are over in a moment. In seconds.
_FIRST_PAUSE: Final = 0.005
_LONGEST_PAUSE: Final = 0.5

# How often that is waited for in place; after that a write waits elsewhere, or goes alone.
_CONFLICTS: Final = 6


class Attempting(Protocol):
    """What is asked of a storage about its failures."""

    _failures: tuple[type[Exception], ...]
    _logger: logging.Logger

    def _verdict_of(self, error: Exception) -> Verdict: ...

    def _describe(self, error: Exception) -> str: ...

    async def _recover(self) -> None: ...


async def attempt(
    storage: Attempting,
    group: Group,
    hook: Callable[[_A], Awaitable[_R]],
    argument: _A,
    *,
    again: Callable[[_A], Awaitable[_R]] | None = None,
) -> _R:
    """Call a hook for *group*, and again where its error says that this may help.

    Once after a lost connection, and a few times after a conflict: all hooks are repeatable.

    Args:
        storage: Whose hook it is.
        group: What is under way; its deadline ends all of it.
        hook: The hook.
        argument: Its argument.
        again: What is called after a lost connection in place of a hook that is not repeatable.

    Raises:
        OutOfTimeError: If the hook has not ended by the deadline, and has not conflicted before.
        Exception: What the hook raised last.
    """
    lost = False
    conflicts = 0
    conflict: Exception | None = None
    began = group.began
    pause = 0.0
    while True:
        failure: Exception
        try:
            if pause:
                await asyncio.sleep(pause)
                began, pause = asyncio.get_running_loop().time(), 0.0
            result = await hook(argument)
        except storage._failures as error:
            failure = error
        except asyncio.CancelledError as error:
            hide_locals(error)
            if not group.was_ended():
                raise
            failure = OutOfTimeError()
        except Exception as error:
            hide_locals(error, places=True)
            raise
        else:
            if group.is_over:  # an answer at the last moment, in spite of having been cancelled
                group.was_ended()
            return result
        # Not inside a handler: that error would become the context of the next one.
        if group.is_over:
            if not isinstance(failure, OutOfTimeError):
                group.was_ended()
            await storage._recover()
            raise conflict or OutOfTimeError()
        hide_locals(failure)
        verdict = storage._verdict_of(failure)
        if verdict is Verdict.LOST and not lost:
            lost = True
            storage._logger.info("connection lost (%s); trying again", storage._describe(failure))
            await storage._recover()
            hook = again or hook
            continue
        if verdict is Verdict.CONFLICT:
            conflicts += 1
            conflict = failure
            now = asyncio.get_running_loop().time()
            longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**conflicts)
            pause = random.uniform(longest / 4, longest)  # noqa: S311
            quick = conflicts <= _CONFLICTS and now - began < SLOW_SECONDS
            # A call that goes in its caller's own task has no other place to wait.
            if (quick or not group.calls) and now + pause < group.deadline:
                continue
        raise failure
