"""Which column of a table holds what, and in which form."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from shopify_session_storage import COLUMNS, AssociatedUser, Session, session_from_values
from sqlalchemy import Column, DateTime, Table, UniqueConstraint, inspect
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Mapper

_NOBODY: Final = AssociatedUser()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
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
            "unique, because a session could be there twice otherwise"
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


class Rows:
    """Turns sessions into rows of a table, and back.

    Numbers of dates are in the units of the official adapter for the database; a column of
    another type than a number's has datetimes, in UTC.

    Args:
        columns: The columns, in the order of ``COLUMNS``.
        dialect: The database's.

    Attributes:
        lacks_user: Of which of a user's data there is no column.
    """

    lacks_user: Sequence[str] = ()

    def __init__(self, columns: Sequence[Column[Any]], dialect: Dialect) -> None:
        self._keys = [column.key for column in columns]
        expires, refresh = columns[COLUMNS.index("expires")], columns[_REFRESH]
        refresh_unit = 1 if dialect.name == "postgresql" else 1000
        self._expires = _writer(expires, dialect, 1000)
        self._refresh = _writer(refresh, dialect, refresh_unit)
        self._units = (_unit(expires, 1000), _unit(refresh, refresh_unit))
        self._has_dates = any(isinstance(one.type, DateTime) for one in (expires, refresh))

    def to_row(self, session: Session) -> dict[str, Any]:
        """Return the values of a session by the keys of its columns."""
        info = session.online_access_info
        user = info.associated_user if info is not None else _NOBODY
        expires, refresh = session.expires, session.refresh_token_expires
        values = (
            session.id, session.shop, session.state, session.is_online, session.scope,
            None if expires is None else self._expires(expires), session.access_token,
            session.refresh_token, None if refresh is None else self._refresh(refresh), user.id,
            user.first_name, user.last_name, user.email, user.locale, user.email_verified,
            user.account_owner, user.collaborator,
        )  # fmt: skip
        return dict(zip(self._keys, values, strict=True))

    def tokens(self, session: Session) -> tuple[str | None, str | None]:
        """Return both tokens as they are stored."""
        return session.access_token, session.refresh_token

    def misfit(self, session: Session) -> str | None:
        """Return why the table cannot hold a session; the database says so by itself."""
        return None

    def drops_user(self, session: Session) -> bool:
        """Tell whether something that is known of the user has no column."""
        return False

    def to_session(self, row: Sequence[Any]) -> Session:
        """Return the session of a row."""
        if self._has_dates:
            row = [_milliseconds(value) if type(value) is datetime else value for value in row]
        return session_from_values(row, *self._units)


_REFRESH: Final = COLUMNS.index("refreshTokenExpires")


def _unit(column: Column[Any], unit: int) -> int:
    return 1 if isinstance(column.type, DateTime) else unit


def _writer(column: Column[Any], dialect: Dialect, unit: int) -> Callable[[datetime], Any]:
    type = column.type
    if not isinstance(type, DateTime):
        return lambda date: _milliseconds(date) // unit
    keeps_zone = type.timezone and dialect.name == "postgresql"
    # Without this MySQL and MariaDB would round it, up as well.
    has_fraction = dialect.name not in ("mysql", "mariadb") or getattr(type, "fsp", None)

    def write(date: datetime) -> datetime:
        date = date if has_fraction else date.replace(microsecond=0)
        return date if keeps_zone else date.replace(tzinfo=None)

    return write


def _milliseconds(date: datetime) -> int:
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return (date - _EPOCH) // _MILLISECOND
