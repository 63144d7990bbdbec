"""What the failures of the server and of aiomysql mean, by their numbers, and how they are worded.

The classes of the driver do not tell: most of the server's errors are an OperationalError.
"""

import re
from typing import Final, NamedTuple

import aiomysql
from shopify_session_storage import Verdict

LOST: Final = Verdict.LOST
CONFLICT: Final = Verdict.CONFLICT
DATA: Final = Verdict.DATA
DENIED: Final = Verdict.DENIED
UNAVAILABLE: Final = Verdict.UNAVAILABLE


class Meaning(NamedTuple):
    """What a number means.

    Attributes:
        name: What the server's documentation calls it.
        verdict: What core does about it.
        why: What it says, in a few words.
        quotes: Whether the server's text may quote a value.
    """

    name: str
    verdict: Verdict
    why: str
    quotes: bool = False


# Those above 1900 belong to MySQL, MariaDB or TiDB alone. What is not here is unavailable, or data
# if the driver says so by its class; its text is not shown.
MEANINGS: Final = {
    1020: Meaning("ER_CHECKREAD", CONFLICT, "another transaction has changed the row"),
    1021: Meaning("ER_DISK_FULL", UNAVAILABLE, "the server's disk is full"),
    1030: Meaning("ER_GET_ERRNO", UNAVAILABLE, "the storage engine failed"),
    1040: Meaning("ER_CON_COUNT_ERROR", CONFLICT, "the server has too many connections right now"),
    1044: Meaning("ER_DBACCESS_DENIED_ERROR", DENIED, "no right on the database"),
    1045: Meaning("ER_ACCESS_DENIED_ERROR", UNAVAILABLE, "wrong user or password"),
    1047: Meaning("ER_UNKNOWN_COM_ERROR", LOST, "the node is not a member of its cluster"),
    1048: Meaning("ER_BAD_NULL_ERROR", DATA,
                  "the table's collation takes the id for another one that is stored, or a value "
                  "that must be unique there is another session's"),
    1049: Meaning("ER_BAD_DB_ERROR", UNAVAILABLE, "no such database"),
    1050: Meaning("ER_TABLE_EXISTS_ERROR", UNAVAILABLE, "another program was faster to create it"),
    1053: Meaning("ER_SERVER_SHUTDOWN", LOST, "the server is shutting down"),
    1054: Meaning("ER_BAD_FIELD_ERROR", UNAVAILABLE, "no such column"),
    1060: Meaning("ER_DUP_FIELDNAME", UNAVAILABLE, "another program was faster to add the column"),
    1061: Meaning("ER_DUP_KEYNAME", UNAVAILABLE, "another program was faster to add the index"),
    1062: Meaning("ER_DUP_ENTRY", DATA, "the value is there already", quotes=True),
    1071: Meaning("ER_TOO_LONG_KEY", UNAVAILABLE, "the key is too long for the table's format"),
    1091: Meaning("ER_CANT_DROP_FIELD_OR_KEY", UNAVAILABLE, "another program has dropped it"),
    1114: Meaning("ER_RECORD_FILE_FULL", UNAVAILABLE, "the table is full"),
    1118: Meaning("ER_TOO_BIG_ROWSIZE", UNAVAILABLE, "the row is too long for the table's format"),
    1129: Meaning("ER_HOST_IS_BLOCKED", UNAVAILABLE, "the server has blocked this host"),
    1130: Meaning("ER_HOST_NOT_PRIVILEGED", UNAVAILABLE, "the server refuses this host"),
    1142: Meaning("ER_TABLEACCESS_DENIED_ERROR", DENIED, "no right on the table"),
    1143: Meaning("ER_COLUMNACCESS_DENIED_ERROR", DENIED, "no right on the column"),
    1146: Meaning("ER_NO_SUCH_TABLE", UNAVAILABLE, "no such table"),
    1152: Meaning("ER_ABORTING_CONNECTION", LOST, "the server has ended the connection"),
    1153: Meaning("ER_NET_PACKET_TOO_LARGE", DATA, "larger than max_allowed_packet"),
    1158: Meaning("ER_NET_READ_ERROR", LOST, "the network failed"),
    1159: Meaning("ER_NET_READ_INTERRUPTED", LOST, "the network failed"),
    1160: Meaning("ER_NET_ERROR_ON_WRITE", LOST, "the network failed"),
    1161: Meaning("ER_NET_WRITE_INTERRUPTED", LOST, "the network failed"),
    1180: Meaning("ER_ERROR_DURING_COMMIT", CONFLICT, "another node of the cluster won"),
    1184: Meaning("ER_NEW_ABORTING_CONNECTION", LOST, "the server has ended the connection"),
    1203: Meaning("ER_TOO_MANY_USER_CONNECTIONS", CONFLICT, "the user has too many connections"),
    1205: Meaning("ER_LOCK_WAIT_TIMEOUT", CONFLICT, "somebody else has locked the row or table"),
    1206: Meaning("ER_LOCK_TABLE_FULL", UNAVAILABLE, "the server has no room for more locks"),
    1213: Meaning("ER_LOCK_DEADLOCK", CONFLICT, "another transaction won the deadlock"),
    1226: Meaning("ER_USER_LIMIT_REACHED", UNAVAILABLE, "the user has reached a limit"),
    1227: Meaning("ER_SPECIFIC_ACCESS_DENIED_ERROR", DENIED, "no such right"),
    1251: Meaning("ER_NOT_SUPPORTED_AUTH_MODE", UNAVAILABLE, "no common way to log in"),
    1264: Meaning("ER_WARN_DATA_OUT_OF_RANGE", DATA, "the number is too large for its column"),
    1265: Meaning("WARN_DATA_TRUNCATED", DATA, "the value does not fit its column"),
    1290: Meaning("ER_OPTION_PREVENTS_STATEMENT", LOST, "read-only: no longer the primary server"),
    1292: Meaning("ER_TRUNCATED_WRONG_VALUE", DATA, "the value does not fit its type", quotes=True),
    1300: Meaning("ER_INVALID_CHARACTER_STRING", DATA, "not a valid text", quotes=True),
    1317: Meaning("ER_QUERY_INTERRUPTED", LOST, "somebody has killed the statement"),
    1364: Meaning("ER_NO_DEFAULT_FOR_FIELD", UNAVAILABLE, "a column of the app has no default"),
    1366: Meaning("ER_TRUNCATED_WRONG_VALUE_FOR_FIELD", DATA,
                  "the column cannot hold such a value", quotes=True),
    1370: Meaning("ER_PROCACCESS_DENIED_ERROR", DENIED, "no right on the routine"),
    1406: Meaning("ER_DATA_TOO_LONG", DATA, "the text is too long for its column"),
    1411: Meaning("ER_WRONG_VALUE_FOR_TYPE", DATA, "the value does not fit its type", quotes=True),
    1412: Meaning("ER_TABLE_DEF_CHANGED", CONFLICT, "the table has been altered meanwhile"),
    1451: Meaning("ER_ROW_IS_REFERENCED_2", DATA, "a foreign key refers to the row"),
    1452: Meaning("ER_NO_REFERENCED_ROW_2", DATA, "a foreign key refers to nothing"),
    1525: Meaning("ER_WRONG_VALUE", DATA, "the value does not fit its type", quotes=True),
    1637: Meaning("ER_TOO_MANY_CONCURRENT_TRXS", CONFLICT, "too many transactions right now"),
    1644: Meaning("ER_SIGNAL_EXCEPTION", DATA, "a trigger has refused it", quotes=True),
    1684: Meaning("ER_WARN_I_S_SKIPPED_TABLE", CONFLICT, "the table is being altered"),
    1690: Meaning("ER_DATA_OUT_OF_RANGE", DATA, "the number is too large", quotes=True),
    1698: Meaning("ER_ACCESS_DENIED_NO_PASSWORD_ERROR", UNAVAILABLE, "wrong user"),
    1792: Meaning("ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION", LOST, "a read-only connection"),
    1820: Meaning("ER_MUST_CHANGE_PASSWORD", UNAVAILABLE, "the password has expired"),
    1832: Meaning("ER_FK_COLUMN_CANNOT_CHANGE", UNAVAILABLE, "a foreign key uses the column"),
    1833: Meaning("ER_FK_COLUMN_CANNOT_CHANGE_CHILD", UNAVAILABLE, "a foreign key uses the column"),
    1836: Meaning("ER_READ_ONLY_MODE", LOST, "read-only: no longer the primary server"),
    1845: Meaning("ER_ALTER_OPERATION_NOT_SUPPORTED", UNAVAILABLE, "the table must be rewritten"),
    1846: Meaning("ER_ALTER_OPERATION_NOT_SUPPORTED_REASON", UNAVAILABLE,
                  "the table must be rewritten"),
    1862: Meaning("ER_MUST_CHANGE_PASSWORD_LOGIN", UNAVAILABLE, "the password has expired"),
    1927: Meaning("ER_CONNECTION_KILLED", LOST, "somebody has killed the connection"),
    1969: Meaning("ER_STATEMENT_TIMEOUT", UNAVAILABLE, "the statement ran into its time limit"),
    2002: Meaning("CR_CONNECTION_ERROR", LOST, "the server cannot be reached"),
    2003: Meaning("CR_CONN_HOST_ERROR", LOST, "the server cannot be reached"),
    2006: Meaning("CR_SERVER_GONE_ERROR", LOST, "the connection is gone"),
    2012: Meaning("CR_SERVER_HANDSHAKE_ERR", LOST, "the server did not let in"),
    2013: Meaning("CR_SERVER_LOST", LOST, "the connection was lost during the statement"),
    2014: Meaning("CR_COMMANDS_OUT_OF_SYNC", LOST, "the answer belongs to another statement"),
    2026: Meaning("CR_SSL_CONNECTION_ERROR", UNAVAILABLE, "no connection with TLS"),
    2027: Meaning("CR_MALFORMED_PACKET", LOST, "the answer cannot be read"),
    2054: Meaning("CR_NOT_IMPLEMENTED", UNAVAILABLE, "no common way to log in"),
    2055: Meaning("CR_SERVER_LOST_EXTENDED", LOST, "the connection was lost"),
    2059: Meaning("CR_AUTH_PLUGIN_CANNOT_LOAD", UNAVAILABLE, "no common way to log in"),
    2061: Meaning("CR_AUTH_PLUGIN_ERR", UNAVAILABLE, "no common way to log in"),
    3024: Meaning("ER_QUERY_TIMEOUT", UNAVAILABLE, "the statement ran into its time limit"),
    3100: Meaning("ER_RUN_HOOK_ERROR", LOST, "the node is not a member of its group"),
    3101: Meaning("ER_TRANSACTION_ROLLBACK_DURING_COMMIT", CONFLICT, "another node won"),
    3118: Meaning("ER_ACCOUNT_HAS_BEEN_LOCKED", UNAVAILABLE, "the account is locked"),
    3169: Meaning("ER_SESSION_WAS_KILLED", LOST, "somebody has killed the connection"),
    3572: Meaning("ER_LOCK_NOWAIT", CONFLICT, "somebody else has locked the row"),
    3819: Meaning("ER_CHECK_CONSTRAINT_VIOLATED", DATA, "a constraint has refused it"),
    4025: Meaning("ER_CONSTRAINT_FAILED", DATA, "a constraint has refused it"),
    4031: Meaning("ER_CLIENT_INTERACTION_TIMEOUT", LOST, "the connection was idle for too long"),
    8002: Meaning("ErrTxnRetryable", CONFLICT, "another transaction won"),
    8022: Meaning("ErrTxnRetryable", CONFLICT, "another transaction won"),
    8028: Meaning("ErrInfoSchemaChanged", CONFLICT, "the table has been altered meanwhile"),
    9007: Meaning("ErrWriteConflict", CONFLICT, "another transaction won"),
}  # fmt: skip

DUPLICATE: Final = 1062
NO_SUCH_TABLE: Final = 1146
TABLE_DENIED: Final = 1142
LOCK_WAIT: Final = 1205
NOT_ONLINE: Final = frozenset({1845, 1846})

# What another program that works on the same tables can cause: the migration begins anew.
RACES: Final = frozenset({1020, 1050, 1060, 1061, 1062, 1091, 1213, 1412, 1684})

# What PlanetScale says where tables are altered by deploy requests alone.
_NO_DDL: Final = re.compile(r"\bDDL is disabled\b")
_UNKNOWN_ERROR: Final = 1105

# Vitess, and with it PlanetScale, adds the statement to what the server says.
_STATEMENT: Final = re.compile(r"\s*\(?\b(?:during query|sql|bindvars)\s*:", re.IGNORECASE)


def code_of(error: BaseException | None) -> int | None:
    """Return the number of an error of the server or of aiomysql, if it has one."""
    if isinstance(error, aiomysql.MySQLError) and error.args and isinstance(error.args[0], int):
        return error.args[0]
    return None


def verdict_of(error: BaseException) -> Verdict:
    """Tell what an error of the driver means."""
    if isinstance(error, OSError):
        return LOST
    if not isinstance(error, aiomysql.MySQLError):
        return UNAVAILABLE
    code = code_of(error)
    if code is None or code < 1000:
        return LOST  # without a number of the server's are those of the protocol
    meaning = MEANINGS.get(code)
    if meaning is not None:
        return meaning.verdict
    if _says_no_ddl(error):
        return DENIED
    is_data = isinstance(error, aiomysql.DataError | aiomysql.IntegrityError)
    return DATA if is_data else UNAVAILABLE


def describe(error: Exception) -> str:
    """Describe an error in words that hold no stored value."""
    code = code_of(error)
    if code is None:
        return f"{type(error).__name__}: {error}{_cause(error)}"
    meaning = MEANINGS.get(code)
    kind = type(error).__name__
    if meaning is None:
        return f"{kind} ({code})" + (f": {_told(error)}" if _says_no_ddl(error) else "")
    text = meaning.why if meaning.quotes else _told(error)
    hint = f" ({meaning.why})" if meaning.why != text and meaning.verdict is not UNAVAILABLE else ""
    return f"{kind} ({code}, {meaning.name}): {text}{hint}{_cause(error)}"


def _told(error: BaseException) -> str:
    return _STATEMENT.split(str(error.args[-1]), maxsplit=1)[0]


def _says_no_ddl(error: BaseException) -> bool:
    return code_of(error) == _UNKNOWN_ERROR and bool(_NO_DDL.search(_told(error)))


def _cause(error: Exception) -> str:
    cause = error.__cause__
    return f" ({type(cause).__name__}: {cause})" if cause is not None else ""


def scrub(error: Exception) -> None:
    """Remove what may be a stored value from an error."""
    code = code_of(error)
    if code is None:
        return
    meaning = MEANINGS.get(code)
    shows_none = not meaning.quotes if meaning is not None else _says_no_ddl(error)
    told = _told(error) if shows_none else "what the server said may show a stored value"
    error.args = (code, told)
