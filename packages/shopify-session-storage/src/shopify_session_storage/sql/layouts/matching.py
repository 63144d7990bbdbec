"""What each column of another program's table is for, and whether sessions fit into the table."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from shopify_session_storage.sql.layouts import encodings as e
from shopify_session_storage.sql.layouts.advice import Advice
from shopify_session_storage.sql.layouts.columns import Kind, LiveColumn
from shopify_session_storage.sql.layouts.encodings import Encoding, Encodings
from shopify_session_storage.sql.layouts.layout import Layout
from shopify_session_storage.stored import COLUMNS

REQUIRED: Final = ("id", "shop", "state", "isOnline", "scope", "expires", "accessToken")
"""The columns that such tables have had from the start, but for the user's id."""

_FLAGS: Final = ("isOnline", "emailVerified", "accountOwner", "collaborator")
_DATES: Final = ("expires", "refreshTokenExpires")
_ALWAYS_THERE: Final = ("id", "shop", "state")


def check_column_names(layout: Layout, names: Mapping[str, str] | None) -> dict[str, str]:
    """Check the option ``column_names``.

    Raises:
        TypeError: If it is not a mapping of str to str.
        ValueError: If it has a key that is none of :data:`COLUMNS`, names a column twice, or is
            given for the layout :data:`SHOPIFY`, whose names are fixed.
    """
    if names is None:
        return {}
    if not isinstance(names, Mapping):
        raise TypeError(f"column_names must be a mapping, not {type(names).__name__}")
    if layout.owned:
        raise ValueError('column_names are for tables of another program; see the option "layout"')
    given: Mapping[Any, Any] = names
    for name, column in given.items():
        if not isinstance(name, str) or not isinstance(column, str):
            raise TypeError("column_names must be a mapping of str to str")
        if name not in COLUMNS:
            raise ValueError(f"column_names has {name!r}; known are {', '.join(COLUMNS)}")
        if not column or "\0" in column:
            raise ValueError(f"column_names has no usable name for {name!r}")
    if len(set(names.values())) < len(names):
        raise ValueError("column_names names a column twice")
    return dict(names)


def match_columns(
    columns: Sequence[LiveColumn],
    advice: Advice,
    column_names: Mapping[str, str] | None = None,
) -> dict[str, LiveColumn]:
    """Return the table's columns, by their names in :data:`COLUMNS`.

    Names are compared without regard to case and underscores: ``access_token`` is ``accessToken``.

    Args:
        columns: The columns of the table; empty if there is no table.
        advice: Words what the table lacks.
        column_names: The names of columns that differ by more than case and underscores.

    Raises:
        MigrationError: If there is no table, if a name fits two columns, if a required column is
            missing, or if a column that no session has must have a value. The message has the lines
            to add.
    """
    title = advice.layout.title
    if not columns:
        raise advice.refused(
            f"does not exist. {title} creates it: run its migrations first, or say where it is "
            "(session_table_name, schema)"
        )
    matched = _matched(columns, advice, column_names or {})
    missing = [name for name in REQUIRED if name not in matched]
    if missing:
        raise advice.refused(
            f"is none of {title}'s sessions: it has no column for {', '.join(missing)}. Is it "
            f"called otherwise (column_names)? {advice.column_lines(missing)}"
        )
    taken = {column.name for column in matched.values()}
    strange = [
        column
        for column in columns
        if column.name not in taken and not column.nullable and not column.has_default
    ]
    if strange:
        names = ", ".join(column.name for column in strange)
        raise advice.refused(
            f"has columns that must have a value, which no session has: {names}. Give each a "
            f"default in the database, or let it be NULL. {advice.default_lines(strange)}"
        )
    return matched


def choose_encodings(
    columns: Mapping[str, LiveColumn], known: Encodings, advice: Advice
) -> dict[str, Encoding]:
    """Return how the values of each column are written and read.

    Raises:
        MigrationError: If a column is of a type that cannot hold its values.
    """
    chosen = {}
    for name, column in columns.items():
        encoder = _encoders(name, known).get(column.kind)
        if encoder is None:
            raise advice.refused(
                f"has another layout than {advice.layout.title}'s: its column {column.name} "
                f"({name}) is {column.type}. A table of Shopify's own adapters has "
                'layout="shopify", one of Prisma layout="prisma", one of Drizzle layout="drizzle"'
            )
        chosen[name] = encoder(column)
    return chosen


def _matched(
    columns: Sequence[LiveColumn], advice: Advice, column_names: Mapping[str, str]
) -> dict[str, LiveColumn]:
    by_name = {column.name: column for column in columns}
    matched = {}
    for name, given in column_names.items():
        if given not in by_name:
            raise advice.refused(f"has no column {given}, which column_names has for {name}")
        matched[name] = by_name[given]
    taken = set(column_names.values())
    alike: dict[str, list[LiveColumn]] = {}
    for column in columns:
        if column.name not in taken:
            alike.setdefault(_folded(column.name), []).append(column)
    for name in COLUMNS:
        found = alike.get(_folded(name), [])
        if name in matched or not found:
            continue
        if len(found) > 1:
            names = " and ".join(column.name for column in found)
            raise advice.refused(
                f"has {names}, and either may be {name}; say which: "
                f'column_names={{"{name}": "{found[0].name}"}}'
            )
        matched[name] = found[0]
    return {name: matched[name] for name in COLUMNS if name in matched}


def _folded(name: str) -> str:
    return name.replace("_", "").lower()


def _encoders(name: str, known: Encodings) -> Mapping[Kind, e.Encoder]:
    if name in _FLAGS:
        return known.flag
    if name in _DATES:
        return known.date
    if name == "userId":
        return known.user_id
    if name == "accessToken":
        return {Kind.TEXT: e.access_token}
    if name in _ALWAYS_THERE:
        return {Kind.TEXT: e.required_text}
    return {Kind.TEXT: e.text}
