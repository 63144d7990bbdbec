"""What the failures of the databases and their drivers mean, and how they are worded.

SQLAlchemy wraps what a driver raises. What it means is told by the server's own code: the SQLSTATE
of PostgreSQL, the number of MySQL and MariaDB, the result code of SQLite.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from shopify_session_storage import Verdict
from sqlalchemy import exc

LOST, CONFLICT, DATA = Verdict.LOST, Verdict.CONFLICT, Verdict.DATA
DENIED, UNAVAILABLE = Verdict.DENIED, Verdict.UNAVAILABLE

DRIVER_ERRORS: Final[tuple[type[Exception], ...]] = (exc.SQLAlchemyError, OSError, EOFError)

# By SQLSTATE, or by its first two characters, which are its class. The longer one counts.
_POSTGRESQL: Final = {
    "08": LOST,
    "21": DATA,
    "22": DATA,
    "23": DATA,
    "25": LOST,  # read-only, in a failed transaction, closed as idle
    "26": LOST,  # the server, or a pooler, has forgotten the statement
    "28": DENIED,
    "34": LOST,
    "40": CONFLICT,
    "40003": LOST,
    "42501": DENIED,
    "42P05": LOST,  # a pooler's connection has another client's statement of that name
    "44": DATA,
    "53300": CONFLICT,  # too many connections right now
    "54": DATA,
    "55P03": CONFLICT,
    "57P01": LOST,
    "57P02": LOST,
    "57P03": LOST,
    "57P04": LOST,
    "57P05": LOST,
    "P0": DATA,  # a trigger refuses it
}

# All classes of SQLSTATE that PostgreSQL has. One of its own is what a trigger's author made up.
_CLASSES: Final = frozenset({
    "00", "01", "02", "03", "08", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "10", "20", "21", "22",
    "23", "24", "25", "26", "27", "28", "2B", "2D", "2F", "34", "38", "39", "3B", "3D", "3F", "40",
    "42", "44", "53", "54", "55", "57", "58", "72", "F0", "HV", "P0", "XX",
})  # fmt: skip

# By number; those above 1900 belong to MySQL, MariaDB or TiDB alone.
_MYSQL: Final = {
    **dict.fromkeys(
        (1047, 1053, 1152, 1158, 1159, 1160, 1161, 1184, 1290, 1317, 1792, 1836, 1927, 2002, 2003,
         2006, 2012, 2013, 2014, 2027, 2055, 3100, 3169, 4031),
        LOST,
    ),
    **dict.fromkeys(
        (1020, 1040, 1180, 1203, 1205, 1213, 1412, 1637, 1684, 3101, 3572, 8002, 8022, 8028, 9007),
        CONFLICT,
    ),
    **dict.fromkeys(
        (1048, 1062, 1153, 1264, 1265, 1292, 1300, 1366, 1406, 1411, 1451, 1452, 1525, 1644, 1690,
         3819, 4025),
        DATA,
    ),
    **dict.fromkeys((1044, 1142, 1143, 1227, 1370), DENIED),
}  # fmt: skip

_SQLITE: Final = {
    sqlite3.SQLITE_PROTOCOL: CONFLICT,
    sqlite3.SQLITE_SCHEMA: CONFLICT,
    sqlite3.SQLITE_ABORT: CONFLICT,
    sqlite3.SQLITE_INTERRUPT: CONFLICT,
    # The driver has waited for the lock already.
    sqlite3.SQLITE_BUSY: CONFLICT,
    sqlite3.SQLITE_LOCKED: CONFLICT,
    sqlite3.SQLITE_TOOBIG: DATA,
    sqlite3.SQLITE_CONSTRAINT: DATA,
    sqlite3.SQLITE_MISMATCH: DATA,
    sqlite3.SQLITE_PERM: DENIED,
    sqlite3.SQLITE_READONLY: DENIED,
    sqlite3.SQLITE_AUTH: DENIED,
}

# Those of other verdicts that say nothing of a statement or a value.
_MYSQL_IN_PLAIN_WORDS: Final = frozenset({
    *(code for code, verdict in _MYSQL.items() if verdict is not DATA),
    1021, 1030, 1045, 1049, 1050, 1054, 1060, 1061, 1071, 1091, 1114, 1118, 1129, 1130, 1146, 1206,
    1226, 1251, 1364, 1698, 1820, 1832, 1833, 1845, 1846, 1862, 1969, 2026, 2054, 2059, 2061, 3024,
    3118,
})  # fmt: skip

# Vitess, and with it PlanetScale, adds the statement and its values to what the server says.
_STATEMENT: Final = re.compile(r"\s*\(?\b(?:during query|sql|bindvars)\s*:", re.IGNORECASE)
_NO_DDL: Final = re.compile(r"\bDDL is disabled\b")

DUPLICATE: Final = 1062
_NO_TABLE: Final = ("42P01", 1146)
# What another process causes that creates the same tables: they exist, or begin to.
_RACES: Final = ("42P07", "42710", "23505", 1050, 1061)


def code_of(error: BaseException) -> str | int | None:
    """Return the server's code for an error."""
    for one in _behind(error):
        if _is_of_mysql(one):
            return one.args[0] if one.args and isinstance(one.args[0], int) else None
        if isinstance(code := getattr(one, "sqlite_errorcode", None), int):
            return code & 0xFF
        if isinstance(state := getattr(one, "sqlstate", None), str):
            return state
    return None


def verdict_of(error: BaseException) -> Verdict:
    """Tell what an error means."""
    if isinstance(error, exc.DBAPIError) and error.connection_invalidated:
        return LOST
    if isinstance(error, OSError | EOFError):
        return LOST
    if isinstance(error, exc.StatementError) and not isinstance(error, exc.DBAPIError):
        return DATA  # a type of the table refuses a value
    if not isinstance(error, exc.DBAPIError):
        return UNAVAILABLE  # such as no connection of the pool's in time
    code = code_of(error)
    if isinstance(code, str):
        own = DATA if code and code[:2] not in _CLASSES else None
        verdict = _POSTGRESQL.get(code) or _POSTGRESQL.get(code[:2]) or own
    elif any(isinstance(one, sqlite3.Error) for one in _behind(error)):
        return _SQLITE.get(code or 0, UNAVAILABLE)
    elif code is not None and code >= 1000:
        verdict = _MYSQL.get(code)
        if code == 1105 and _NO_DDL.search(_text(error)):  # PlanetScale, in production
            verdict = DENIED
    else:
        return _verdict_without_code(error)
    if verdict is not None:
        return verdict
    return DATA if isinstance(error, exc.DataError | exc.IntegrityError) else UNAVAILABLE


def _verdict_without_code(error: exc.DBAPIError) -> Verdict:
    """Tell what an error of the driver means, which the server knows nothing of."""
    # asyncpg's and psycopg's about a value that does not fit its column
    if isinstance(error, exc.DataError) or any(isinstance(e, ValueError) for e in _behind(error)):
        return DATA
    is_about_the_connection = isinstance(
        error, exc.OperationalError | exc.InterfaceError | exc.InternalError
    )
    return LOST if is_about_the_connection else UNAVAILABLE


def is_missing_table(error: BaseException) -> bool:
    """Tell whether a table does not exist."""
    return code_of(error) in _NO_TABLE or any(
        isinstance(one, sqlite3.OperationalError) and str(one).startswith("no such table")
        for one in _behind(error)
    )


def is_unreadable(error: BaseException) -> bool:
    """Tell whether SQLite has a text that is no UTF-8, which Python's message quotes."""
    return any(
        isinstance(one, sqlite3.OperationalError)
        and not hasattr(one, "sqlite_errorcode")
        and "decode" in str(one)
        for one in _behind(error)
    )


def is_race(error: BaseException) -> bool:
    """Tell whether another process has created the same table or index at the same moment."""
    return code_of(error) in _RACES or any(
        isinstance(one, sqlite3.OperationalError) and str(one).endswith("already exists")
        for one in _behind(error)
    )


def describe(error: Exception) -> str:
    """Describe an error by its code and cause, in words that hold no stored value."""
    *_, driver = _behind(error)
    first = next(_behind(error))
    kind = type(getattr(error, "orig", None) or first).__name__
    code = getattr(driver, "sqlite_errorname", None) or code_of(error)
    told = f"{kind} ({code})" if code else kind
    # Everything else a server says may quote what was sent.
    if verdict_of(error) is DATA:
        return f"{told}: a value does not fit its column, or a constraint of the table refuses it"
    text = _text(error) if _is_in_plain_words(error) else ""
    return f"{told}: {text}" if text else told


def _text(error: BaseException) -> str:
    *_, driver = _behind(error)
    text = str(driver.args[-1]) if driver.args else ""
    return _STATEMENT.split(text, maxsplit=1)[0] if _is_of_mysql(driver) else text


def _is_in_plain_words(error: BaseException) -> bool:
    """Tell whether what was said quotes neither a statement nor a value."""
    *_, driver = _behind(error)
    code = code_of(error)
    if _is_of_mysql(driver) and isinstance(code, int) and code >= 1000:
        return code in _MYSQL_IN_PLAIN_WORDS or verdict_of(error) is DENIED
    return not is_unreadable(error)


def _is_of_mysql(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] in ("pymysql", "asyncmy")


def scrub(error: Exception) -> None:
    """Remove stored values from an error, and from those behind it."""
    words, is_data = describe(error), verdict_of(error) is DATA
    is_told = not is_data and _is_in_plain_words(error)
    text = _text(error)
    for one in list(_behind(error)):
        if isinstance(one, exc.StatementError):
            one.params = None
            one.args = (words,)
            continue
        # "DETAIL: Failing row contains (...)", "CONTEXT: ... parameter $7 = '...'"; psycopg's all
        # come from the server's answer.
        for name in ("detail", "hint", "context", "query", "internal_query", "_info", "pgresult"):
            if getattr(one, name, None) is not None:
                _forget(one, name)
        if _is_of_mysql(one) and isinstance(code_of(one), int):
            one.args = (code_of(one), text if is_told else words)  # told again by its number
        elif not is_told:
            one.args = (words,)
            if getattr(one, "message", None) is not None:
                _forget(one, "message")


def _forget(error: BaseException, name: str) -> None:
    with suppress(AttributeError):  # made of another one of them
        setattr(error, name, None)


def _behind(error: BaseException) -> Iterator[BaseException]:
    """Give an error, and those behind it."""
    one: BaseException | None = error
    seen: set[int] = set()
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = getattr(one, "orig", None) or one.__cause__
