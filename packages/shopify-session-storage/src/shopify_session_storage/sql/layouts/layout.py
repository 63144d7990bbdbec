"""Layouts as data: whose table it is, and what is known of it in advance."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

LayoutName: TypeAlias = Literal["shopify", "prisma", "drizzle"]
"""The value of ``layout=``: whose table it is."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What is known of a table before anybody looks at it.

    Attributes:
        name: Its name, as in the option ``layout``.
        title: Its name in messages.
        table: The name of the table if none is given.
        owned: Whether we may create and alter the table. Another program's table is left as it is,
            and no other table is created beside it.
        date_suffix: How UTC is written in dates that SQLite keeps as text.
        integer_dates: Whether SQLite may also keep dates as milliseconds.
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
    """Return the layout with this name.

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
