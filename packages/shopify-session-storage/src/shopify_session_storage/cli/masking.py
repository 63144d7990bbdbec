"""What may be shown: tokens by their ends alone, and no text that a terminal would obey."""

import re
from typing import Final

_PREFIX: Final = re.compile(r"[a-z]{2,8}_")
_SEALED: Final = re.compile(r"enc1\.([A-Za-z0-9_-]{1,16})\.")
# Of a token of 32 characters after its prefix, four tell two tokens apart and open nothing.
_SHOWN: Final = 4
_LONG_ENOUGH: Final = 20


def masked(token: str | None) -> str | None:
    """Return what may be shown of a token, such as ``shpat_…a86a``. Of a short one nothing is."""
    if token is None:
        return None
    if not token:
        return "(empty)"
    sealed = _SEALED.match(token)
    if sealed is not None:
        return f"enc1.{sealed[1]}.…"
    if len(token) < _LONG_ENOUGH:
        return "…"
    prefix = _PREFIX.match(token)
    return printable(f"{prefix[0] if prefix else ''}…{token[-_SHOWN:]}")


def printable(text: str) -> str:
    """Return *text* with everything spelled out that a terminal would not show, or obey."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
