"""Tables of other programs, and ours: which columns they have, and what stands in them.

This module is public, for adapters that reach an SQL database in a way of their own; what its
``__all__`` does not name is not. It knows no driver. An adapter tells the columns as
:class:`LiveColumn`, has :func:`match_columns` say which is which and :func:`choose_encodings` what
stands in each, by the :class:`Encodings` of its database, and gets a :class:`RowMapping`, which
turns sessions into rows and back. :class:`Advice` words what the table lacks.
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
