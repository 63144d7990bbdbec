"""Table layouts, those of other programs and ours: which columns there are, and what they hold.

For adapters that reach an SQL database in a way of their own. The module knows no driver, and only
what its ``__all__`` names is public. An adapter describes each column as a :class:`LiveColumn`.
:func:`match_columns` finds out what each column is for, and :func:`choose_encodings` how its values
are written, by the :class:`Encodings` of the database. :meth:`RowMapping.of` takes both results and
gives a :class:`RowMapping`, which turns sessions into rows and back. :class:`Advice` words what the
table lacks.
"""

from shopify_session_storage.sql.layouts.advice import REFRESH, Advice, DatabaseName
from shopify_session_storage.sql.layouts.columns import Kind, LiveColumn
from shopify_session_storage.sql.layouts.encodings import (
    DIGITS,
    NATIVE,
    Encoding,
    Encodings,
    sqlite_encodings,
)
from shopify_session_storage.sql.layouts.layout import (
    DRIZZLE,
    LAYOUTS,
    PRISMA,
    SHOPIFY,
    Layout,
    LayoutName,
    layout_named,
)
from shopify_session_storage.sql.layouts.mapping import RowMapping
from shopify_session_storage.sql.layouts.matching import (
    REQUIRED,
    check_column_names,
    choose_encodings,
    match_columns,
)

__all__ = [
    "DIGITS",
    "DRIZZLE",
    "LAYOUTS",
    "NATIVE",
    "PRISMA",
    "REFRESH",
    "REQUIRED",
    "SHOPIFY",
    "Advice",
    "DatabaseName",
    "Encoding",
    "Encodings",
    "Kind",
    "Layout",
    "LayoutName",
    "LiveColumn",
    "RowMapping",
    "check_column_names",
    "choose_encodings",
    "layout_named",
    "match_columns",
    "sqlite_encodings",
]
