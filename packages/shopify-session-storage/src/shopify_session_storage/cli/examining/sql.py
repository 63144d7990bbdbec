"""What the tables of an SQL storage are like."""

import re
import time
from collections.abc import Iterator
from typing import Final

from shopify_session_storage.cli.examining.findings import Finding
from shopify_session_storage.sql.looking import missing_columns
from shopify_session_storage.sql.tables import SqlTables

CLOCK_SECONDS: Final = 5
"""By how much clocks may differ."""

_VERSIONS: Final = {
    "sqlite": "SELECT sqlite_version()",
    "postgresql": "SELECT current_setting('server_version')",
    "mysql": "SELECT version()",
}
_MIGRATE: Final = "run shopify-sessions migrate; with --print it only shows the SQL"
_DECLARE: Final = (
    "shopify-sessions migrate --print shows the SQL; add it to the schema of that program, too"
)

# What a statement of a migration is about, in this order.
_DUE: Final = (
    (
        "leases",
        r"CREATE TABLE.*leases",
        "there is no table of leases; the first lease creates it, if the user may create tables",
    ),
    ("table", r"CREATE TABLE(?!.*migrations)", "there is no table of sessions"),
    ("index", r"\bINDEX\b", "there is no index on shop: every find reads the whole table"),
    ("columns", r"\bALTER\b", "columns are missing or too narrow, or do not compare exactly"),
    ("record", r"migrations", "migrations are not recorded for the official JavaScript adapter"),
)


async def examine_sql(storage: SqlTables) -> list[Finding]:
    """Look at the tables, and change nothing.

    Raises:
        MigrationError: If the table is not one of sessions.
        SessionStorageError: If the database cannot be asked.
    """
    missing = await missing_columns(storage)
    if missing is None:
        return [Finding("table", "fail", "there is no table of sessions", _MIGRATE)]
    if missing:
        text = f"the table is an old one, without {', '.join(missing)}"
        return [Finding("columns", "fail", text, _MIGRATE)]
    remedy = _MIGRATE if storage._layout.owned else _DECLARE
    return [*_due(await storage.migration_sql(), remedy), await _clock(storage)]


async def version_of(storage: SqlTables) -> str:
    """Return the version of the database."""
    query = _VERSIONS.get(storage.backend)
    if query is None:
        return ""
    with storage._raising("look", "ask for the version"):
        async with storage._connection() as connection:
            rows = await connection.fetch(query)
    return f"{storage.backend} {rows[0][0]}"


def _due(sql: str, remedy: str) -> Iterator[Finding]:
    """Tell what a migration would do."""
    statements = [one for one in re.split(r";\s*\n", sql) if one.strip()]
    if not statements:
        yield Finding("table", "ok", "the table and its index are as they should be")
    seen = set()
    for statement in statements:
        for check, pattern, meaning in _DUE:
            if re.search(pattern, statement, re.IGNORECASE | re.DOTALL):
                if check not in seen:
                    yield Finding(check, "warn", meaning, remedy)
                seen.add(check)
                break


async def _clock(storage: SqlTables) -> Finding:
    with storage._raising("look", "ask for the time"):
        async with storage._connection() as connection:
            before = time.time()
            rows = await connection.fetch(f"SELECT {storage.dialect.now}")
            after = time.time()
    return clock_finding(int(rows[0][0]) / 1000 - (before + after) / 2)


def clock_finding(ahead: float) -> Finding:
    """Tell what a server's clock means that is *ahead* of ours by so many seconds."""
    if abs(ahead) <= CLOCK_SECONDS:
        return Finding("clock", "ok", "the server's clock and this one agree")
    side = "ahead of" if ahead > 0 else "behind"
    return Finding(
        "clock",
        "warn",
        f"the server's clock is {abs(ahead):,.0f} s {side} this one",
        "set both clocks by NTP; otherwise tokens are refreshed too early or too late",
    )
