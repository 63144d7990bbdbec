"""Error reporters print the local variables of every frame: those of ours must hold no token."""

from asyncio import CancelledError
from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, ParamSpec, TypeVar

from shopify_session_storage.access_tokens.errors import AccessTokenError
from shopify_session_storage.errors import SessionStorageError
from shopify_session_storage.failures import hide_locals

_P = ParamSpec("_P")
_R = TypeVar("_R")


def hides_locals(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Let what *function* raises carry no local variables of the frames that it came through."""
    if iscoroutinefunction(function):

        @wraps(function)
        async def call_async(*args: _P.args, **kwargs: _P.kwargs) -> Any:
            try:
                return await function(*args, **kwargs)
            except BaseException as error:
                del args, kwargs
                _clear(error)
                raise

        return call_async  # type: ignore[return-value]  # a coroutine function for one

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            del args, kwargs
            _clear(error)
            raise

    return call


def _clear(error: BaseException) -> None:
    # Where a mistake of somebody's came from is told in words, once.
    expected = isinstance(error, AccessTokenError | SessionStorageError | CancelledError)
    hide_locals(error, places=not expected and not getattr(error, "__notes__", None))
