"""One statement: how its values are written, and how it is run."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import aiomysql
from aiomysql.connection import CLIENT, FIELD_TYPE

from shopify_session_storage_mysql.errors import LOST, verdict_of

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


class Outcome(NamedTuple):
    """What a statement that writes has done.

    Attributes:
        affected: The number of affected rows.
        found: How many rows an UPDATE has found, whether it changed them or not; None if the
            server does not tell.
        counts_found: Whether *affected* counts rows that were found but not changed.
    """

    affected: int
    found: int | None
    counts_found: bool


async def change(connection: Any, sql: str) -> Outcome:
    """Run one statement as :func:`run` does, and return what it has done."""
    result = await _run(connection, sql)
    affected: int = result.affected_rows
    if connection.client_flag & CLIENT.FOUND_ROWS:
        return Outcome(affected, affected, counts_found=True)
    # "Rows matched: 1  Changed: 0  Warnings: 0", in the server's language, after a byte that is
    # the text's length.
    told = re.search(rb"\d+", (result.message or b"")[1:])
    return Outcome(affected, int(told[0]) if told else None, counts_found=False)


async def _run(connection: Any, sql: str) -> Any:
    """Run one statement and return aiomysql's result of it.

    One round trip; three on a connection that does not commit by itself. Not through a cursor,
    which would ask for warnings in a further one. However it ends but well or with an answer of
    the server, the connection is dropped, because the next caller would get the rest of what was
    under way: somebody else's session.
    """
    writer = connection._writer
    decoders, connection.decoders = connection.decoders, _DECODERS
    failure: aiomysql.MySQLError
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
        failure = error
    except AttributeError:
        if not connection.closed:
            drop(connection, writer)
            raise
        failure = aiomysql.OperationalError(2013, "the connection was closed during the statement")
    except BaseException:
        drop(connection, writer)
        raise
    finally:
        connection.decoders = decoders
    # Not inside the handler: the driver's error would become the context of the next one.
    if verdict_of(failure) is LOST:
        drop(connection, writer)
    elif not connection.get_autocommit():
        await _roll_back(connection, writer)
    raise failure


async def _roll_back(connection: Any, writer: Any) -> None:
    try:
        await connection.rollback()
    except aiomysql.MySQLError:
        drop(connection, writer)
    except BaseException:
        drop(connection, writer)
        raise


def drop(connection: Any, writer: Any = None) -> None:
    """Close a connection at once, without a goodbye that nobody might take.

    Args:
        connection: The connection.
        writer: Its writer, which a closed one has no more.
    """
    writer = connection._writer or writer
    connection.close()
    if writer is not None:
        writer.transport.abort()
