"""Keeps passwords out of the list of processes, which everybody on a machine can read."""

import os
import sys
from collections.abc import Sequence

from shopify_session_storage.cli.urls import FROM_ENVIRONMENT, Place

_VARIABLE = "SHOPIFY_SESSIONS_URL_{}"


def hide_urls(arguments: Sequence[str]) -> None:
    """Begin this process anew, with its URLs in the environment, if one may hold a password.

    The environment is for the eyes of the same user only. Where a process cannot begin anew,
    which is on Windows, nothing is done.
    """
    secret = [word for word in arguments if "://" in word and Place(word).holds_secret()]
    if not secret or os.name != "posix" or getattr(sys, "frozen", False):
        return
    environment = dict(os.environ)
    replaced = list(sys.orig_argv[1:])
    for number, url in enumerate(secret, start=1):
        name = _VARIABLE.format(number)
        environment[name] = url
        replaced = [f"{FROM_ENVIRONMENT}{name}" if word == url else word for word in replaced]
    if replaced == sys.orig_argv[1:]:
        return  # it would go on for ever
    try:
        os.execve(sys.executable, [sys.executable, *replaced], environment)  # noqa: S606
    except OSError:
        return  # it can be done all the same
