"""Text of a subclass of str, such as a member of an enumeration, as the text that it is.

Drivers and f-strings make other things of it: ``f"{Shop.ALPHA}"`` is ``"Shop.ALPHA"``.
"""


def plain_text(text: str) -> str:
    """Return *text* as a str and nothing else."""
    return text if type(text) is str else str.__str__(text)
