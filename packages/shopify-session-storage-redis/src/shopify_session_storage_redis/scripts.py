"""The Lua scripts of this package, and the commands that run them."""

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Final, TypeAlias

Command: TypeAlias = tuple[Any, ...]


class Script:
    """A Lua script of this package.

    Args:
        names: The names of its files without ``.lua``, in order.
    """

    def __init__(self, *names: str) -> None:
        folder = files(__package__) / "lua"
        parts = [folder / f"{name}.lua" for name in ("common", *names)]
        self.source = b"\n".join(part.read_bytes() for part in parts)
        self.sha = hashlib.sha1(self.source, usedforsecurity=False).hexdigest()

    def on(self, keys: Sequence[bytes], *arguments: bytes | int) -> Command:
        """Return the command that runs it, if the server knows it.

        Texts are given as bytes: the encoding of a client of the user's is not ours.
        """
        return ("EVALSHA", self.sha, len(keys), *keys, *arguments)

    def whole(self, command: Command) -> Command:
        """Return *command* with the script itself, which the server then knows."""
        return ("EVAL", self.source, *command[2:])


_NAMES: Final = (
    "store", "delete", "find", "put", "take", "relist", "tidy", "record", "acquire", "release",
)  # fmt: skip
SCRIPTS: Final = {
    **{name: Script(name) for name in _NAMES},
    "compare_and_store": Script("compare", "store"),
    "compare_and_put": Script("compare", "put"),
}
_BY_SHA: Final = {script.sha: script for script in SCRIPTS.values()}


def script_of(command: Command) -> Script:
    """Return the script that *command* runs."""
    return _BY_SHA[command[1]]
