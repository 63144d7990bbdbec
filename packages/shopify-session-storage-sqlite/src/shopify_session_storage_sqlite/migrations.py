"""The SQL that turns a table of the official adapter, of any age, into today's."""

import sqlite3
from collections.abc import Callable, Container, Iterator
from typing import Final

from shopify_session_storage.stored import COLUMNS

# The old column holds the user's id as text. Where the official adapter ran on an older SQLite,
# ids above 2**31 became "98765432101.0" and ids from 10**15 "9.00719925474099e+15"; the latter have
# lost digits, which the session's id (shop_user) still has.
_ID_SUFFIX: Final = 'CAST(substr("id", length("shop") + 2) AS INTEGER)'
_USER_ID_FROM_ONLINE_ACCESS_INFO: Final = f"""CASE
    WHEN "onlineAccessInfo" NOT GLOB '[0-9]*' THEN NULL
    WHEN "onlineAccessInfo" NOT GLOB '*[eE]*' THEN CAST("onlineAccessInfo" AS INTEGER)
    WHEN "id" = "shop" || '_' || {_ID_SUFFIX} THEN {_ID_SUFFIX}
    ELSE CAST(CAST("onlineAccessInfo" AS REAL) AS INTEGER)
END"""


def upgrade(
    table: str, existing: Container[str], definition: Callable[[str], str], shop_index: str
) -> Iterator[str]:
    """Give the statements that turn a table into today's, keeping every row.

    Args:
        table: Its quoted name.
        existing: The columns that it has.
        definition: Gives the definition of a column.
        shop_index: The quoted name of the index on ``shop``.
    """
    for name in COLUMNS:
        if name not in existing:
            yield f"ALTER TABLE {table} ADD COLUMN {definition(name)}"
    if "onlineAccessInfo" in existing:
        yield (
            f'UPDATE {table} SET "userId" = {_USER_ID_FROM_ONLINE_ACCESS_INFO} '
            'WHERE "onlineAccessInfo" IS NOT NULL AND "userId" IS NULL'
        )
        # The official adapter rebuilds a table that has this column, from a list of columns that
        # it knows. DROP COLUMN came with SQLite 3.35.
        drop = (
            'DROP COLUMN "onlineAccessInfo"'
            if sqlite3.sqlite_version_info >= (3, 35)
            else 'RENAME COLUMN "onlineAccessInfo" TO "formerOnlineAccessInfo"'
        )
        yield f"ALTER TABLE {table} {drop}"
    yield f'CREATE INDEX IF NOT EXISTS {shop_index} ON {table} ("shop")'
