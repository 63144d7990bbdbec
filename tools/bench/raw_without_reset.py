"""The bare driver, its pool told not to reset a connection after each call."""

from typing import Any

from bench import raw


def postgresql(url: str) -> Any:
    """Open PostgreSQL. Nothing here leaves a setting or a listener on a connection."""
    return raw.postgresql(url, reset=_nothing)


async def _nothing(_: Any) -> None:
    pass
