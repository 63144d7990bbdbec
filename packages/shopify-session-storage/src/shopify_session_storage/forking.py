"""Which process this is, and a mutex that a fork does not break."""

import os
import threading
from typing import Final


class _Process:
    """Stands for one process. Compared by identity, which is cheaper than asking for its id."""


class _State:
    def __init__(self) -> None:
        self._of: dict[int, tuple[_Process, threading.Lock]] = {}
        self.renew()

    def renew(self) -> None:
        id = os.getpid()
        # Another thread may have held the mutex when the process was forked, and is not here.
        new = (_Process(), threading.Lock())
        # If several threads notice the fork at once, they get the same; setdefault() is atomic.
        self.process, self.mutex = self._of.setdefault(id, new)
        self.id = id

    def after_fork(self) -> None:
        self._of.clear()  # ids are given again
        self.renew()


_STATE: Final = _State()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_STATE.after_fork)


def this_process() -> object:
    """Return the object that stands for this process; a forked child has another one."""
    return _STATE.process


def notice_fork() -> None:
    """Notice a fork that Python was not told of. That is how uWSGI forks, unless it is told to."""
    if os.getpid() != _STATE.id:
        _STATE.renew()


def mutex() -> threading.Lock:
    """Return the mutex of this process, for a few operations on a dict or an attribute at a time.

    It is one for all, so that the objects that need it can be copied and pickled.
    """
    return _STATE.mutex
