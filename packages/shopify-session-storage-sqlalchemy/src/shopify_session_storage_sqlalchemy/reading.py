"""A query whose rows may have values that cannot be read: these fail their own session alone."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Select

# What a column's type raises, of SQLAlchemy or of the user's, for a value that is none of its own.
_UNFIT: Final = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError)

_UNREADABLE: Final = object()  # no session's


def rows_of(
    connection: Connection, query: Select[Any], parameters: dict[str, Any]
) -> Sequence[Sequence[Any]]:
    """Run a query and return its rows.

    A row with a value that cannot be read has its id, and nothing else that can.
    """
    with _any_text(connection):
        try:
            return connection.execute(query, parameters).all()
        except _UNFIT:
            pass
        result = connection.execute(query, parameters)
        raw, description = result.cursor.fetchall(), result.cursor.description
        result.close()
    dialect = connection.dialect
    readers = [
        column["type"].dialect_impl(dialect).result_processor(dialect, told[1])
        for column, told in zip(query.column_descriptions, description, strict=True)
    ]
    return [_read(row, readers) for row in raw]


def _read(row: Sequence[Any], readers: Sequence[Any]) -> Sequence[Any]:
    try:
        return [
            value if read is None else read(value) for value, read in zip(row, readers, strict=True)
        ]
    except _UNFIT:
        return [row[0], *[_UNREADABLE] * (len(row) - 1)]


@contextmanager
def _any_text(connection: Connection) -> Iterator[None]:
    """Let SQLite's driver give text that is no UTF-8 as bytes.

    It would refuse all rows, and leave the query open, which locks the database.
    """
    driver: Any = connection.connection.driver_connection
    if not hasattr(driver, "text_factory"):
        yield
        return
    factory, driver.text_factory = driver.text_factory, _decoded
    try:
        yield
    finally:
        driver.text_factory = factory


def _decoded(text: bytes) -> str | bytes:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text
