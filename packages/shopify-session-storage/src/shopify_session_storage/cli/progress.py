"""One line on a terminal that tells how far a command is. Nothing where there is no terminal."""

import shutil
import time
from typing import Final, TextIO

_SECONDS: Final = 0.1


class Progress:
    """A line that is written over.

    Args:
        stream: Where it goes.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_shown = stream.isatty()
        self._length = 0
        self._next = 0.0

    def show(self, text: str) -> None:
        """Show *text*, unless another one was shown a moment ago."""
        if not self._is_shown or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _SECONDS
        # A full line would begin a new one on some terminals.
        text = text[: shutil.get_terminal_size().columns - 1]
        # Blanks, and not an escape sequence, which some terminals do not know.
        self._stream.write(f"\r{text.ljust(self._length)}")
        self._stream.flush()
        self._length = len(text)

    def clear(self) -> None:
        """Take the line away, since something else is to be written."""
        if self._length:
            self._stream.write(f"\r{' ' * self._length}\r")
            self._stream.flush()
        self._length, self._next = 0, 0.0


class Rate:
    """How many of something were done in a second, lately."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._done = 0

    def add(self, number: int) -> float:
        """Count *number* more, and return how many there were in a second."""
        self._done += number
        return self._done / max(time.monotonic() - self._began, 0.001)
