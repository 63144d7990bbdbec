"""Which column of a table holds what, and in which form."""

from collections.abc import Sequence
from typing import Any, Final

from shopify_session_storage import COLUMNS, Kind, LiveColumn
from shopify_session_storage.sql.layouts import NATIVE, Encoding, RowMapping
from sqlalchemy import Column, ColumnElement, DateTime, String, Table, UniqueConstraint, inspect
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Mapper
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

_REQUIRED: Final = ("id", "shop", "state", "isOnline")


def table_of(given: object) -> Table:
    """Return the table that *given* is, or that a mapped class has.

    Raises:
        TypeError: If it is neither.
    """
    if isinstance(given, Table):
        return given
    mapper = inspect(given, raiseerr=False)
    if isinstance(mapper, Mapper) and isinstance(mapper.local_table, Table):
        return mapper.local_table
    raise TypeError(f"table must be a Table or a mapped class, not {type(given).__name__}")


def columns_of(table: Table) -> list[Column[Any]]:
    """Return the columns of *table* for what a session has, in the order of ``COLUMNS``.

    Names are compared without regard to case and underscores.

    Raises:
        ValueError: If one is missing or there twice, if the id is no key, or if there is a further
            column that an INSERT of ours would have to fill.
    """
    found: dict[str, list[Column[Any]]] = {}
    for column in table.columns:
        found.setdefault(_plain(column.name), []).append(column)
    wanted = [found.pop(_plain(name), []) for name in COLUMNS]
    if missing := [name for name, columns in zip(COLUMNS, wanted, strict=True) if not columns]:
        raise ValueError(f"the table {table.name} has no column {', '.join(missing)}")
    for columns in wanted:
        if len(columns) > 1:
            both = " and ".join(column.name for column in columns)
            raise ValueError(f"the columns {both} of the table {table.name} mean the same")
    mine = [columns[0] for columns in wanted]
    for name, column in zip(COLUMNS, mine, strict=True):
        if not column.nullable and name not in _REQUIRED:
            raise ValueError(
                f"the column {column.name} of the table {table.name} must take NULL, since many "
                "sessions have no such value"
            )
    for columns in found.values():
        for column in columns:
            if not _is_filled(table, column):
                raise ValueError(
                    f"the column {column.name} of the table {table.name} is not one of a "
                    "session's; let it take NULL, or give it a default"
                )
    if not _is_key(table, mine[0]):
        raise ValueError(
            f"the column {mine[0].name} of the table {table.name} must be its primary key or "
            "unique; otherwise a session could be stored twice"
        )
    return mine


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _is_filled(table: Table, column: Column[Any]) -> bool:
    return (
        column.nullable
        or column.default is not None
        or column.server_default is not None
        or column.computed is not None
        or column.identity is not None
        or column is table.autoincrement_column
    )


def _is_key(table: Table, id: Column[Any]) -> bool:
    unique: list[Any] = [table.primary_key, *table.indexes, *table.constraints]
    return any(
        list(one.columns) == [id]
        for one in unique
        if one is table.primary_key
        or isinstance(one, UniqueConstraint)
        or getattr(one, "unique", False)
    )


def mapping_of(columns: Sequence[Column[Any]], dialect: Dialect) -> RowMapping:
    """Return how sessions are rows of a table that is declared here.

    Numbers of dates are in the units of the official adapter for the database; a column of
    another type than a number's has datetimes, in UTC. A type of the user's around one gets them
    with their zone, since most such types are there for the zone.

    Args:
        columns: The columns, in the order of ``COLUMNS``.
        dialect: The database's.
    """
    declared = dict(zip(COLUMNS, columns, strict=True))
    others = {
        name: _date(declared[name], dialect)
        for name in ("expires", "refreshTokenExpires")
        if isinstance(behind(declared[name].type), DateTime)
    }
    user = declared["userId"]
    if isinstance(behind(user.type), String):
        live = LiveColumn(name=user.name, type=str(Kind.TEXT), kind=Kind.TEXT)
        others["userId"] = NATIVE.user_id[Kind.TEXT](live)
    return RowMapping.official(
        1000,
        1 if dialect.name == "postgresql" else 1000,
        names={name: column.key for name, column in declared.items()},
        others=others,
    )


def is_of_the_users(column: ColumnElement[Any]) -> bool:
    """Tell whether the type of a column is the user's, and may store a value as another one."""
    return isinstance(column.type, TypeDecorator | UserDefinedType)


def behind(type: TypeEngine[Any]) -> Any:
    """Return what a type of the user's is made around."""
    while isinstance(type, TypeDecorator):
        type = type.impl_instance
    return type


def _date(column: Column[Any], dialect: Dialect) -> Encoding:
    type = behind(column.type)
    keeps_zone = is_of_the_users(column) or (type.timezone and dialect.name == "postgresql")
    kind = Kind.TIMESTAMP_WITH_ZONE if keeps_zone else Kind.TIMESTAMP
    # Without this MySQL and MariaDB would round it, up as well.
    has_fraction = dialect.name not in ("mysql", "mariadb") or getattr(type, "fsp", None)
    precision = 6 if has_fraction else 0
    live = LiveColumn(name=column.name, type=str(kind), kind=kind, precision=precision)
    return NATIVE.date[kind](live)
