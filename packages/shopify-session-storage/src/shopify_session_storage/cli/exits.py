"""How a command ends."""

from enum import IntEnum
from typing import Final


class Exit(IntEnum):
    """The exit codes of ``shopify-sessions``."""

    DONE = 0
    PARTIAL = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    BUG = 70
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


HELP: Final = """\
exit codes:
  0    done; for copy: done and verified; for doctor: nothing is broken
  1    done in part: something could not be read, copied or verified, was not
       found, or (doctor) is broken
  2    an argument is wrong, a URL cannot be used, or an adapter is missing
  3    the storage could not be reached, or failed on the way; try again
  4    refused: another command is running there, or the table has another
       layout, or must be migrated first
  70   a bug; please report it
  130  interrupted (Ctrl-C); 143: terminated; 141: the output was cut off
"""


class Stop(Exception):  # noqa: N818  # it need not be an error
    """Ends the command with a line on stderr.

    Args:
        message: The line, for the user. It must show no secret.
        code: The exit code.
    """

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.code = code
