"""What the numbers of the server's and of aiomysql's errors mean."""

from typing import Final

import aiomysql


class NoConnectionError(aiomysql.OperationalError):  # type: ignore[misc]  # aiomysql is untyped
    """There is no connection that works; a new one may."""


class RefusedDataError(aiomysql.DataError):  # type: ignore[misc]
    """The server refused a value."""


class ConflictError(aiomysql.OperationalError):  # type: ignore[misc]
    """Another transaction won; the same statement may succeed now."""


class RaceError(aiomysql.OperationalError):  # type: ignore[misc]
    """Another program has changed the same tables at the same moment."""


# The numbers are the same on MySQL and MariaDB, but those above 1900, which one of them has alone.
_LOST: Final = frozenset({
    1053,  # shutdown in progress
    1152, 1158, 1159, 1160, 1161, 1184,  # aborted connections
    1290, 1836,  # read-only: what was the primary server is no more
    1927, 3169,  # killed
    4031,  # idle for too long
    2002, 2003, 2006, 2012, 2013, 2014, 2027, 2055,  # of the client
})  # fmt: skip
_REFUSED: Final = frozenset({
    1153,  # larger than max_allowed_packet
    1264, 1265, 1292, 1300, 1366, 1406, 1411, 1525, 1690,
    1644, 3819, 4025,  # by a trigger or a constraint
})  # fmt: skip
_CONFLICTS: Final = frozenset({1020, 1213})
DUPLICATE: Final = 1062
_RACES: Final = frozenset({1050, 1060, 1061, 1091, 1412, 1684})
NO_SUCH_TABLE: Final = 1146
TABLE_DENIED: Final = 1142
DENIED: Final = frozenset({1044, TABLE_DENIED, 1143, 1227, 1370})
_WITHOUT_VALUES: Final = (
    _LOST | _CONFLICTS | _RACES | DENIED
    | {1040, 1045, 1049, 1054, 1071, 1114, 1118, 1129, 1130, NO_SUCH_TABLE, 1205, 1251, 1698, 1832,
       1833, 1846, 2026, 2054, 2059, 2061}
)  # fmt: skip


def code_of(error: BaseException | None) -> int | None:
    """Return the number of an error of the server or of aiomysql, if it has one."""
    if isinstance(error, aiomysql.MySQLError) and error.args and isinstance(error.args[0], int):
        return error.args[0]
    return None


def shows_values(error: BaseException) -> bool:
    """Tell whether the text of the server's error may quote what was stored."""
    code = code_of(error)
    return code is not None and code not in _WITHOUT_VALUES


def classified(error: Exception) -> Exception:
    """Return the error as one whose class says what to do about it.

    The classes of the driver do not: most of the server's errors are an OperationalError.
    """
    code = code_of(error)
    kind: type[Exception]
    if code is None or code < 1000 or code in _LOST:
        kind = NoConnectionError  # without a number of the server's are those of the protocol
    elif code in _REFUSED:
        kind = RefusedDataError
    elif code in _CONFLICTS:
        kind = ConflictError
    elif code in _RACES:
        kind = RaceError
    else:
        return error
    classified = kind(*error.args)
    classified.__cause__ = error.__cause__
    return classified
