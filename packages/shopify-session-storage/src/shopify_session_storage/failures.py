"""What a failure means, and what the caller gets to see of it: never a secret.

Each adapter answers one question about an error of its driver, with a :class:`Verdict`; core acts
on the answer, the same on every backend.
"""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from functools import wraps
from typing import Literal, ParamSpec, TypeVar

from shopify_session_storage.errors import SessionStorageError

OnError = Literal["log", "raise"]
"""The value of ``on_error=``: whether failures of the backend are logged or raised."""

_P = ParamSpec("_P")
_R = TypeVar("_R")

_failures_raised: ContextVar[bool] = ContextVar("failures_raised", default=False)


class Verdict(StrEnum):
    """What an error means.

    Attributes:
        LOST: The connection, or the server behind it, cannot be used any more: it is closed, does
            not answer, is read-only or was demoted. The call is repeated once, on a fresh
            connection.
        CONFLICT: Another transaction won, or holds a lock for too long. The call is repeated after
            a random pause, a few times, within its time limit.
        DATA: One session of the group may be the cause, and not the backend. The calls of the group
            are repeated one by one.
        DENIED: The user may not do this.
        UNAVAILABLE: Everything else.
    """

    LOST = "lost"
    CONFLICT = "conflict"
    DATA = "data"
    DENIED = "denied"
    UNAVAILABLE = "unavailable"


class OutOfTimeError(TimeoutError):
    """A call did not end within its time limit."""


@contextmanager
def failures_raised() -> Iterator[None]:
    """Let storages raise their failures here, whatever ``on_error`` says.

    For calls that must not take an outage for an empty storage. It goes through wrappers and
    overridden methods, and concerns no other task.
    """
    token = _failures_raised.set(True)
    try:
        yield
    finally:
        _failures_raised.reset(token)


def are_failures_raised() -> bool:
    """Tell whether the caller is inside :func:`failures_raised`."""
    return _failures_raised.get()


def cause_of(error: Exception) -> BaseException | None:
    """Return what becomes the cause of the error that callers get for *error*."""
    return error.__cause__ if isinstance(error, SessionStorageError) else error


def own_copy(error: SessionStorageError) -> SessionStorageError:
    """Return *error* for one of several callers, whose frames the others must not get to see."""
    try:
        copy = type(error)(*error.args)
    except TypeError:  # a class of a third party's, with arguments of its own
        return error
    copy.__dict__.update(error.__dict__)
    copy.__cause__, copy.__suppress_context__ = error.__cause__, True
    return copy


def hide_locals(error: BaseException, *, places: bool = False) -> None:
    """Remove the frames from *error* and from all its causes and contexts.

    Error reporters print the local variables of each frame. In a driver, these are parameters, rows
    and requests, with tokens in them.

    Args:
        error: The error that was raised.
        places: Whether to add a note with the file, line and function of each frame, so that a bug
            can be found.
    """
    if places and error.__traceback__ is not None:
        lines = [f"  {frame.filename}:{frame.lineno} in {frame.name}"
                 for frame in traceback.extract_tb(error.__traceback__)]  # fmt: skip
        error.add_note(
            "raised at (frames are left out, they may show secrets):\n" + "\n".join(lines)
        )
    pending: list[BaseException | None] = [error]
    seen: set[int] = set()
    while pending:
        one = pending.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            one.__traceback__ = None
            pending += [one.__cause__, one.__context__]
            if isinstance(one, BaseExceptionGroup):
                pending += one.exceptions


def hides_arguments(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Keep the arguments of *function* out of the traceback of what it raises.

    For constructors that get a URL or a password. The causes of their errors are removed, too,
    because they often quote the URL.
    """

    @wraps(function)
    def hiding(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            failure = error
        del args, kwargs
        hide_locals(failure)
        failure.__context__ = None
        raise failure

    return hiding
