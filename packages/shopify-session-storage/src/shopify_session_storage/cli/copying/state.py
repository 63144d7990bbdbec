"""How far a copy has come, in a file, so that it can go on after whatever happens."""

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from shopify_session_storage.cli.copying.counts import Counts
from shopify_session_storage.cli.exits import Exit, Stop
from shopify_session_storage.cli.urls import Place

_VERSION: Final = 1


@dataclass
class State:
    """How far a copy has come. It holds no token and no part of a URL.

    Attributes:
        source: The fingerprint of the source.
        target: The fingerprint of the target.
        live: Whether every write is compared, decided at the start.
        is_checking: Whether all has been copied, and is being verified.
        after: Behind which place of the source to go on.
        copying: What the copy came to so far.
        checking: What the verification came to so far.
        host: The machine that copied last.
        process: The id of the process that copied last.
        holder: Under which name it held the lease.
    """

    source: str
    target: str
    live: bool = True
    is_checking: bool = False
    after: str | None = None
    copying: Counts = field(default_factory=Counts)
    checking: Counts = field(default_factory=Counts)
    host: str = ""
    process: int = 0
    holder: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        counts = {"copying": self.copying.as_dict(), "checking": self.checking.as_dict()}
        return {"version": _VERSION, **vars(self), **counts}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read what :meth:`as_dict` has returned."""
        if data.pop("version") != _VERSION:
            raise ValueError("another version")
        data["copying"] = Counts.from_dict(data["copying"])
        data["checking"] = Counts.from_dict(data["checking"])
        state = cls(**data)
        if type(state.after) not in (str, type(None)) or type(state.process) is not int:
            raise TypeError("another type")
        return state


class StateFile:
    """The file with the state of a copy.

    Args:
        path: Where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def usual(cls, source: Place, target: Place) -> Self:
        """Return the one of a copy that names none, in the current directory."""
        name = f"shopify-sessions-copy-{source.fingerprint()[:6]}-{target.fingerprint()[:6]}.json"
        return cls(Path(name))

    def read(self, source: Place, target: Place) -> State | None:
        """Return the state, or None if there is none.

        Raises:
            Stop: If it cannot be read, or is of a copy between other storages.
        """
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            text = ""
        try:
            state = State.from_dict(json.loads(text))
        except (ValueError, TypeError, LookupError, AttributeError):
            raise Stop(
                f"{self.path} is not the state of a copy; remove it to start again", Exit.USAGE
            ) from None
        if (state.source, state.target) != (source.fingerprint(), target.fingerprint()):
            raise Stop(f"{self.path} is the state of a copy between other storages", Exit.USAGE)
        return state

    def write(self, state: State) -> None:
        """Write the state, as a whole or not at all.

        Raises:
            Stop: If that is not possible.
        """
        draft = self.path.with_name(f"{self.path.name}.{os.getpid()}.tmp")
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(state.as_dict(), file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path)
        except OSError as error:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            reason = error.strerror or type(error).__name__
            raise Stop(
                f"cannot write {self.path}: {reason}; name another file with --resume", Exit.USAGE
            ) from None

    def remove(self) -> None:
        """Remove it: the copy has come to its end."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
