"""What is done on a connection in one go, in its thread."""

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from typing import Any


def fetch(
    sql: str, parameters: Sequence[Any], connection: sqlite3.Connection
) -> list[Sequence[Any]]:
    """Run a query and return its rows. Text that is no UTF-8 comes as bytes."""
    try:
        return connection.execute(sql, parameters).fetchall()
    except sqlite3.OperationalError as error:
        if hasattr(error, "sqlite_errorcode"):
            raise
        # Python's own: it cannot decode a text. Its message quotes the text.
    connection.text_factory = _decoded
    try:
        return connection.execute(sql, parameters).fetchall()
    finally:
        connection.text_factory = str


def _decoded(text: bytes) -> str | bytes:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text


def write(sql: str, parameters: Sequence[Any], connection: sqlite3.Connection) -> int:
    """Run a statement that writes, and return how many rows it has written. It is durable then.

    What the user has left open on a connection of theirs is committed with it.
    """
    # Python begins a transaction by itself, as the isolation level has it. It is ended in SQL,
    # because commit() does nothing on a connection with autocommit=True.
    theirs = connection.in_transaction
    try:
        rows = connection.execute(sql, parameters).rowcount
        if connection.in_transaction:
            connection.execute("COMMIT")
    except BaseException:
        if not theirs:
            rollback(connection)
        raise
    return rows


def write_and_fetch(
    change: tuple[str, Sequence[Any]],
    query: tuple[str, Sequence[Any]],
    connection: sqlite3.Connection,
) -> list[Sequence[Any]]:
    """Run a statement that writes and a query in one transaction, and return the query's rows."""
    theirs = connection.in_transaction
    try:
        if not theirs:
            connection.execute("BEGIN IMMEDIATE")
        connection.execute(*change)
        rows = fetch(*query, connection)
        connection.execute("COMMIT")
    except BaseException:
        if not theirs:
            rollback(connection)
        raise
    return rows


def use_wal(connection: sqlite3.Connection) -> None:
    """Switch the database to WAL, which it stays in.

    Where the file system has no shared memory it keeps the rollback journal, which works too.
    """
    connection.execute("PRAGMA journal_mode = WAL")


class Transaction:
    """A transaction of several steps, which no other writer comes between."""

    def __init__(self) -> None:
        self._begun = False

    def begin(self, connection: sqlite3.Connection) -> None:
        """Begin, or fail for a lock.

        Raises:
            sqlite3.ProgrammingError: If the user has left a transaction open.
        """
        if connection.in_transaction:
            raise sqlite3.ProgrammingError(
                "a transaction is open on the aiosqlite connection; end it first"
            )
        connection.execute("BEGIN IMMEDIATE")
        self._begun = True

    def rollback(self, connection: sqlite3.Connection) -> None:
        """Take back what has been done, if it has begun at all."""
        if self._begun:
            rollback(connection)


def execute(sql: str, parameters: Sequence[Any], connection: sqlite3.Connection) -> None:
    """Run a statement of a transaction."""
    connection.execute(sql, parameters)


def commit(connection: sqlite3.Connection) -> None:
    """Make durable what the transaction has done."""
    connection.execute("COMMIT")


def rollback(connection: sqlite3.Connection) -> None:
    """Take back what has been done since the last commit."""
    with suppress(sqlite3.Error):  # SQLite has done it by itself, or the connection is closed
        if connection.in_transaction:
            connection.execute("ROLLBACK")
