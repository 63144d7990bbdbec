"""An INSERT of many rows in one statement, where drivers do not make it of many."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from sqlalchemy import Column, Connection, Insert
from sqlalchemy.engine import Dialect


class ManyRows:
    """Repeats the values of an INSERT of one row.

    SQLAlchemy would compile a statement of many rows anew each time, at 0.4 ms a row.

    Args:
        start: The statement up to its values.
        group: The values of one row, in parentheses.
        rest: What follows them.
        columns: The columns of the values.
        dialect: The database's.
    """

    def __init__(
        self, start: str, group: str, rest: str, columns: Sequence[Column[Any]], dialect: Dialect
    ) -> None:
        self._start, self._group, self._rest = start, group, rest
        self._writers = [
            (column.key, column.type.dialect_impl(dialect).bind_processor(dialect))
            for column in columns
        ]

    @classmethod
    def of(cls, insert: Insert, columns: Sequence[Column[Any]], dialect: Dialect) -> Self | None:
        """Return that of *insert*.

        Returns:
            None if a row has something else than the values of *columns*, such as a default of the
            user's that is made in Python, or SQL around a value.
        """
        by_key = {column.key: column for column in columns}
        compiled: Any = insert.compile(dialect=dialect, column_keys=[*by_key])
        group = f"({', '.join(['%s'] * len(by_key))})"
        start, found, rest = compiled.string.partition(group)
        names = compiled.positiontup or ()
        if not found or "%s" in rest or sorted(names) != sorted(by_key):
            return None
        return cls(start, group, rest, [by_key[name] for name in names], dialect)

    def run(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert *rows*."""
        groups = ", ".join([self._group] * len(rows))
        values = tuple(
            row[key] if write is None else write(row[key])
            for row in rows
            for key, write in self._writers
        )
        connection.exec_driver_sql(f"{self._start}{groups}{self._rest}", values).close()
