"""A case of the battery: one promise and its test."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from shopify_session_storage.testing.subject import Subject

Need = Literal[
    "further",
    "failing",
    "breakable",
    "another_loop",
    "processes",
    "conditional_writes",
    "leases",
    "scanning",
]
"""What a case may need of a storage; ``lacks`` names what one has not."""


@dataclass(frozen=True)
class Case:
    """One promise and its test.

    Attributes:
        name: Its name.
        promise: What is promised.
        run: Raises an AssertionError if the promise is broken.
        needs: What it cannot run without: a factory for more storages or for storages that fail, a
            backend that can be made unreachable, or a storage with a certain property: it works on
            any event loop, other processes see its sessions, its conditional writes or leases are
            those of the backend, or it can be walked through.
    """

    name: str
    promise: str
    run: Callable[["Subject"], Awaitable[None]]
    needs: tuple[Need, ...]


def case(*needs: Need) -> Callable[[Callable[["Subject"], Awaitable[None]]], Case]:
    """Turn a function into a case. Its docstring is the promise."""

    def make(function: Callable[["Subject"], Awaitable[None]]) -> Case:
        promise = " ".join((function.__doc__ or "").split())
        return Case(function.__name__, promise, function, needs)

    return make
