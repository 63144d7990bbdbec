"""No statement is under way while the process is forked.

SQLite keeps a process's locks on a file in the process itself. A child that is forked during a
statement has a copy of its lock, which nobody ever gives up there: to the child's own connections
the database would be locked for ever.
"""

import os
from threading import Condition
from typing import Final

# A statement takes milliseconds. One that takes longer does not hold up the fork.
_PATIENCE_SECONDS: Final = 2.0


class _Gate:
    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        self._changed = Condition()
        self._under_way = 0
        self._forks = 0  # several threads may fork at once

    def __enter__(self) -> None:
        """Be under way, when no fork is."""
        with self._changed:
            if self._forks:
                self._changed.wait_for(lambda: not self._forks, _PATIENCE_SECONDS)
            self._under_way += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._under_way -= 1
            if self._forks:
                self._changed.notify_all()

    def before_fork(self) -> None:
        with self._changed:
            self._forks += 1
            self._changed.wait_for(lambda: not self._under_way, _PATIENCE_SECONDS)

    def after_fork(self) -> None:
        with self._changed:
            self._forks -= 1
            self._changed.notify_all()


_GATE: Final = _Gate()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_GATE.before_fork, after_in_parent=_GATE.after_fork, after_in_child=_GATE.renew
    )

statement = _GATE
"""What is done in its ``with`` block is a statement under way."""
