"""Text of a subclass of str, such as a member of an enumeration, as the text that it is.

Drivers and f-strings make other things of it: ``f"{Shop.ALPHA}"`` is ``"Shop.ALPHA"``.
"""

from typing import Any


def plain_text(text: str) -> str:
    """Return *text* as a str and nothing else."""
    return text if type(text) is str else str.__str__(text)


def make_texts_plain(values: dict[str, Any]) -> None:
    """Replace every text in *values* by the plain one."""
    for name, value in values.items():
        if type(value) is not str and isinstance(value, str):
            values[name] = str.__str__(value)
