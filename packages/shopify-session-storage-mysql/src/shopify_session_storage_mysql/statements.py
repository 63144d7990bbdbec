"""One statement: how its values are written, and how it is run."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import aiomysql
from aiomysql.connection import FIELD_TYPE

from shopify_session_storage_mysql.errors import NoConnectionError, classified

# In place of those of a user's pool. Sessions come as JSON; these are for all other queries.
_DECODERS: Final[Mapping[int, Callable[[str], object]]] = {
    FIELD_TYPE.TINY: int,
    FIELD_TYPE.SHORT: int,
    FIELD_TYPE.INT24: int,
    FIELD_TYPE.LONG: int,
    FIELD_TYPE.LONGLONG: int,
}


def literal(value: str | int | None) -> str:
    """Return *value* as SQL that means the same in every sql_mode, and in utf8mb4 alone.

    Whether a backslash escapes depends on the mode, so text that has one is sent as hexadecimal.
    """
    if isinstance(value, str):
        if "\\" in value:
            return f"_utf8mb4 X'{value.encode().hex()}'"
        return f"'{value}'" if "'" not in value else "'" + value.replace("'", "''") + "'"
    return "NULL" if value is None else str(int(value))


async def run(connection: Any, sql: str) -> Sequence[Sequence[Any]]:
    """Run one statement in a transaction of its own and return its rows.

    Raises:
        MySQLError: If it fails.
    """
    rows: Sequence[Sequence[Any]] = (await _run(connection, sql)).rows or ()
    return rows


async def run_for_mark(connection: Any, sql: str) -> int:
    """Run one statement as :func:`run` does, and return what it gave to LAST_INSERT_ID().

    Returns:
        That number; 0 if it gave none.
    """
    mark: int = (await _run(connection, sql)).insert_id or 0
    return mark


async def _run(connection: Any, sql: str) -> Any:
    """Run one statement and return aiomysql's result of it.

    One round trip; three on a connection that does not commit by itself. Not through a cursor,
    which would ask for warnings in a further one. However it ends but well or with an answer of
    the server, the connection is closed, because the next caller would get the rest of what was
    under way: somebody else's session.
    """
    decoders, connection.decoders = connection.decoders, _DECODERS
    try:
        if connection.get_autocommit():
            await connection.query(sql)
            result = connection._result
        else:
            await connection.rollback()  # ends a snapshot that is older than this call
            await connection.query(sql)
            result = connection._result
            await connection.commit()
        return result
    except aiomysql.MySQLError as error:
        failure = classified(error)
    except BaseException:
        connection.close()
        raise
    finally:
        connection.decoders = decoders
    # Not inside the handler: the driver's error would become its context, with what it shows.
    if isinstance(failure, NoConnectionError):
        connection.close()
    elif not connection.get_autocommit():
        await _roll_back(connection)
    raise failure


async def _roll_back(connection: Any) -> None:
    try:
        await connection.rollback()
    except aiomysql.MySQLError:
        connection.close()
    except BaseException:
        connection.close()
        raise
