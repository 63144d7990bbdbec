"""Which process this is, and a mutex that a fork does not break."""

import os
import threading
from typing import Final


class _Process:
    """Stands for one process. Compared by identity, which is cheaper than asking for its id."""


class _State:
    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        self.process = _Process()
        # Another thread may have held the mutex when the process was forked, and is not here.
        self.mutex = threading.Lock()


_STATE: Final = _State()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_STATE.renew)


def this_process() -> object:
    """Return the object that stands for this process; a forked child has another one."""
    return _STATE.process


def mutex() -> threading.Lock:
    """Return the mutex of this process, for a few operations on a dict or an attribute at a time.

    It is one for all, so that the objects that need it can be copied and pickled.
    """
    return _STATE.mutex
