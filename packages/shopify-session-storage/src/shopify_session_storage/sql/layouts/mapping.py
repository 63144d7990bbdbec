"""How sessions are rows of one table."""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, Self

from shopify_session_storage.session import AssociatedUser, Session
from shopify_session_storage.sql.layouts.advice import REFRESH, Advice
from shopify_session_storage.sql.layouts.columns import Kind, LiveColumn
from shopify_session_storage.sql.layouts.dates import in_units
from shopify_session_storage.sql.layouts.encodings import Encoding
from shopify_session_storage.stored import COLUMNS, session_from_values

_NOBODY: Final = AssociatedUser()
_PLACES: Final = {name: place for place, name in enumerate(COLUMNS)}
_USER: Final = slice(_PLACES["userId"], None)


class RowMapping:
    """Turns sessions into rows, and rows into sessions.

    Args:
        names: What each of :data:`COLUMNS` is called in the table; those that it lacks are left
            out.
        encodings: How the values of a column are written and read; none for those that stay as they
            are.
        units: The units of ``expires`` and ``refreshTokenExpires``, in milliseconds, for dates that
            are read as numbers.
        advice: Words what the table lacks for refresh tokens.
    """

    def __init__(
        self,
        names: Mapping[str, str],
        encodings: Mapping[str, Encoding],
        *,
        units: tuple[int, int] = (1, 1),
        advice: Advice | None = None,
    ) -> None:
        self.names = {name: names[name] for name in COLUMNS if name in names}
        self.kinds = {
            name: encodings[name].kind if name in encodings else Kind.TEXT for name in self.names
        }
        self._units = units
        self._encodings = encodings
        self._writers = [
            (_PLACES[name], encoding.write, encoding.empty)
            for name, encoding in encodings.items()
            if encoding.write is not None or encoding.empty is not None
        ]
        self._readers = [
            (_PLACES[name], encoding.read)
            for name, encoding in encodings.items()
            if encoding.read is not None
        ]
        self._misfits = [
            (_PLACES[name], names[name], encoding.misfit, encoding.holds)
            for name, encoding in encodings.items()
            if encoding.misfit is not None
        ]
        present = [_PLACES[name] for name in self.names]
        self._present: Callable[[Sequence[Any]], tuple[Any, ...]] = (
            tuple if len(present) == len(COLUMNS) else itemgetter(*present)
        )
        self.lacks_refresh = [name for name in REFRESH if name not in names]
        lines = "; add them and open the storage again"
        if advice is not None:
            lines += f". {advice.column_lines(self.lacks_refresh)}"
        self._refresh_reason = (
            f"it has no column for {' and '.join(self.lacks_refresh)}, which the session has{lines}"
        )
        self.lacks_user = [name for name in COLUMNS[_USER] if name not in names]

    @classmethod
    def official(
        cls,
        expires_unit: int,
        refresh_token_expires_unit: int,
        *,
        names: Mapping[str, str] | None = None,
        others: Mapping[str, Encoding] | None = None,
    ) -> Self:
        """Return the mapping of Shopify's own adapters: dates as numbers, all else as it is.

        Args:
            expires_unit: The unit of ``expires``, in milliseconds.
            refresh_token_expires_unit: The unit of ``refreshTokenExpires``, in milliseconds.
            names: What the columns are called; None for the official names.
            others: The encodings of values that are stored in another way.
        """
        flags = ("isOnline", "emailVerified", "accountOwner", "collaborator")
        return cls(
            names or {name: name for name in COLUMNS},
            {
                "userId": Encoding(Kind.INTEGER),
                **{name: Encoding(Kind.BOOLEAN) for name in flags},
                "expires": Encoding(Kind.INTEGER, in_units(expires_unit)),
                "refreshTokenExpires": Encoding(Kind.INTEGER, in_units(refresh_token_expires_unit)),
                **(others or {}),
            },
            units=(expires_unit, refresh_token_expires_unit),
        )

    @classmethod
    def of(
        cls,
        columns: Mapping[str, LiveColumn],
        encodings: Mapping[str, Encoding],
        advice: Advice | None = None,
    ) -> Self:
        """Return the mapping of a table of another program.

        Args:
            columns: The table's columns, by their names in :data:`COLUMNS`.
            encodings: Their encodings, by the same names.
            advice: Words what the table lacks for refresh tokens.
        """
        names = {name: column.name for name, column in columns.items()}
        return cls(names, encodings, advice=advice)

    def to_row(self, session: Session) -> tuple[Any, ...]:
        """Return what is stored, for each column that the table has."""
        values = _values(session)
        for place, write, empty in self._writers:
            value = values[place]
            if value is None:
                values[place] = empty
            elif write is not None:
                values[place] = write(value)
        return self._present(values)

    def to_session(self, row: Sequence[Any]) -> Session:
        """Read a session from a row that has a value for each of :data:`COLUMNS`.

        Raises:
            InvalidSessionError: If a value is missing or is not of the right kind.
        """
        if self._readers:
            row = [*row]
            for place, read in self._readers:
                row[place] = read(row[place])
        return session_from_values(row, *self._units)

    def tokens(self, session: Session) -> tuple[str | None, str | None]:
        """Return the access token and the refresh token of a session as they are stored."""
        return self._stored("accessToken", session.access_token), self._stored(
            "refreshToken", session.refresh_token
        )

    def _stored(self, name: str, value: str | None) -> str | None:
        if value is None and name in self._encodings:
            empty: str | None = self._encodings[name].empty
            return empty
        return value

    def misfit(self, session: Session) -> str | None:
        """Return why the table cannot hold a session, without showing a value; None if it can."""
        if self.lacks_refresh and self._drops_refresh(session):
            return self._refresh_reason
        if not self._misfits:
            return None
        values = _values(session)
        for place, column, misfit, holds in self._misfits:
            value = values[place]
            if holds is not None and (value is None or len(value) <= holds):
                continue
            reason = misfit(value)
            if reason is not None:
                return f"its column {column} {reason}; change that in its schema"
        return None

    def _drops_refresh(self, session: Session) -> bool:
        """Tell whether the table has no column for a session's refresh token, or for its end."""
        values = (session.refresh_token, session.refresh_token_expires)
        return any(
            value is not None and name in self.lacks_refresh
            for name, value in zip(REFRESH, values, strict=True)
        )

    def drops_user(self, session: Session) -> bool:
        """Tell whether the session has data about its user for which the table has no column."""
        if not (self.lacks_user and session.is_online):
            return False
        values = _values(session)
        return any(values[_PLACES[name]] is not None for name in self.lacks_user)


def _values(session: Session) -> list[Any]:
    """Return a session's values in the order of :data:`COLUMNS`."""
    info = session.online_access_info
    user = info.associated_user if info is not None else _NOBODY
    return [
        session.id,
        session.shop,
        session.state,
        session.is_online,
        session.scope,
        session.expires,
        session.access_token,
        session.refresh_token,
        session.refresh_token_expires,
        user.id,
        user.first_name,
        user.last_name,
        user.email,
        user.locale,
        user.email_verified,
        user.account_owner,
        user.collaborator,
    ]
