"""Layouts: whose table it is, and what its columns are called and hold by default, as data."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

LayoutName: TypeAlias = Literal["shopify", "prisma", "drizzle"]
"""The value of ``layout=``: whose table it is."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What is known of a table before one has looked at it.

    Attributes:
        name: Its name, as in the option ``layout``.
        title: Its name for people.
        table: The name of the table if nobody gives one.
        owned: Whether the table is ours to create and alter. One of another program's is left as
            it is, and nothing is put beside it.
        date_suffix: How the zone UTC is written where SQLite has dates as text.
        integer_dates: Whether SQLite may have dates as milliseconds, too.
    """

    name: LayoutName
    title: str
    table: str
    owned: bool = False
    date_suffix: str = "Z"
    integer_dates: bool = False


SHOPIFY: Final = Layout(
    name="shopify", title="Shopify's own adapters", table="shopify_sessions", owned=True
)
"""The table that Shopify's own adapters and ours create."""
PRISMA: Final = Layout(
    name="prisma", title="Prisma", table="Session", date_suffix="+00:00", integer_dates=True
)
"""The table of Shopify's Prisma adapter."""
DRIZZLE: Final = Layout(name="drizzle", title="Drizzle", table="session")
"""The table of Shopify's Drizzle adapters."""

LAYOUTS: Final = {layout.name: layout for layout in (SHOPIFY, PRISMA, DRIZZLE)}
"""All layouts, by name."""


def layout_named(name: str) -> Layout:
    """Return the layout with that name.

    Raises:
        TypeError: If *name* is not a str.
        ValueError: If there is none.
    """
    if not isinstance(name, str):
        raise TypeError(f"layout must be a str, not {type(name).__name__}")
    for layout in LAYOUTS.values():
        if layout.name == name:
            return layout
    known = ", ".join(f'"{known}"' for known in LAYOUTS)
    raise ValueError(f"layout must be one of {known}, not {name!r}")
