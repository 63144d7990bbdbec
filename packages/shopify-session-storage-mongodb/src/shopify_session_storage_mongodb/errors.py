"""What failures of MongoDB and its driver mean, and how they are worded: without stored values."""

import re
from collections.abc import Mapping
from typing import Final

from bson.errors import BSONError

DUPLICATE_KEY: Final = 11000

CANNOT_INDEX: Final = {
    13: "the user may not",  # Unauthorized
    67: "the server will not",  # CannotCreateIndex, such as beside another shard key
    85: "another index is in the way",  # IndexOptionsConflict
    86: "another index is in the way",  # IndexKeySpecsConflict
    DUPLICATE_KEY: "several documents have the same id, or none",
}

# Where the messages of server and driver begin to repeat documents, values or the whole topology.
_DETAILS: Final = re.compile(r", full error:|, Timeout:|[{\"']")


def describe(error: Exception) -> str:
    """Describe an error, with its code, without the values that its text may repeat."""
    name, text = type(error).__name__, problem_of(error)
    code = getattr(error, "code", None)
    if code is not None:
        name = f"{name} ({code})"
    return f"{name}: {text}" if text else name


def scrub(error: Exception) -> None:
    """Remove from an error what :func:`describe` does not tell."""
    # Such as the document that was refused, in several places.
    for name, value in vars(error).items():
        if isinstance(value, Mapping):
            setattr(error, name, {})
        elif isinstance(value, str):
            setattr(error, name, problem_of(error))
    error.args = (problem_of(error),)


def problem_of(error: Exception) -> str:
    """Return the text of an error without the values that it may repeat."""
    if isinstance(error, BSONError):
        return ""
    return _DETAILS.split(str(error))[0].strip()
