"""Tables of other programs, and ours: which columns they have, and what stands in them.

What is here knows no driver. An adapter tells the columns as :class:`LiveColumn`, chooses among
the :class:`Encodings`, and gets :class:`RowMapping`, which turn sessions into rows and back.
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
