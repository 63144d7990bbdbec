"""One storage for all SQL databases, in the layout of Shopify's official adapters.

An adapter adds its connection and its :class:`Dialect`.
"""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, ClassVar, Final

from shopify_session_storage.base import BaseSessionStorage, OnError, read_stored
from shopify_session_storage.dialect import Dialect
from shopify_session_storage.errors import InvalidSessionError
from shopify_session_storage.javascript import (
    js_date,
    js_flag,
    js_is_online,
    js_string,
    js_user_id,
    to_milliseconds,
)
from shopify_session_storage.migrations import (
    MigrationOperation,
    RdbmsSessionStorageMigrator,
    RdbmsSessionStorageMigratorOptions,
    SqlConnection,
)
from shopify_session_storage.session import AssociatedUser, OnlineAccessInfo, Session

COLUMNS: Final = (
    "id", "shop", "state", "isOnline", "scope", "expires", "accessToken", "refreshToken",
    "refreshTokenExpires", "userId", "firstName", "lastName", "email", "locale", "emailVerified",
    "accountOwner", "collaborator",
)  # fmt: skip
"""The columns that every statement names, in the order of the property array."""

_REQUIRED: Final = ("id", "shop", "state", "isOnline")
_INTEGERS: Final = ("expires", "refreshTokenExpires", "userId")
_FLAGS: Final = ("isOnline", "emailVerified", "accountOwner", "collaborator")


class SqlSessionStorage(BaseSessionStorage):
    """A storage in one table of an SQL database.

    Every operation is one statement, by primary key or by the index on ``shop``, and one round
    trip, whatever the number of sessions in the group.

    Args:
        session_table_name: Name of the table; created if it does not exist.
        migrator_options: Where applied migrations are recorded.
        on_error: See :class:`BaseSessionStorage`.

    Raises:
        TypeError: If an argument is of another type.
        ValueError: If a table's name is not usable.
    """

    dialect: ClassVar[Dialect]

    def __init__(
        self,
        *,
        session_table_name: str = "shopify_sessions",
        migrator_options: RdbmsSessionStorageMigratorOptions | None = None,
        on_error: OnError = "log",
    ) -> None:
        super().__init__(on_error=on_error)
        options = migrator_options or RdbmsSessionStorageMigratorOptions()
        if not isinstance(options, RdbmsSessionStorageMigratorOptions):
            raise TypeError("migrator_options must be RdbmsSessionStorageMigratorOptions")
        check = self.dialect.check_identifier
        self._table = check("session_table_name", session_table_name)
        check("migration_db_identifier", options.migration_db_identifier)
        check("migration_name_column_name", options.migration_name_column_name)
        if options.migration_db_identifier == session_table_name:
            raise ValueError("sessions and migrations cannot be in one table")
        self._migrator_options = options
        self._build_statements()

    # --- what an adapter adds ---------------------------------------------------------------

    @abstractmethod
    async def _execute(self, sql: str, parameters: Sequence[Any]) -> None:
        """Run a statement that writes. Return when it is durable."""

    @abstractmethod
    async def _fetch(self, sql: str, parameters: Sequence[Any]) -> Iterable[Sequence[Any]]:
        """Run a query and return its rows."""

    @abstractmethod
    def _migration_connection(self) -> AbstractAsyncContextManager[SqlConnection]:
        """Give a connection on which no other process migrates at the same time.

        What is done on it takes effect as a whole where the database can do that.
        """

    @abstractmethod
    async def _upgrade_table(self, connection: SqlConnection, existing: set[str]) -> None:
        """Turn a table made by the official adapter at any age into today's, keeping every row.

        Repeatable, because a process can die half-way.

        Args:
            connection: The connection that is migrating.
            existing: The names of the table's columns.
        """

    # --- migration --------------------------------------------------------------------------

    async def _migrate(self, connection: SqlConnection) -> None:
        """Create or upgrade the table, and record it for either language."""
        await self._create_table(connection)
        await self._migrator(connection).apply_migrations()

    async def _is_migrated(self, connection: SqlConnection) -> bool:
        """Tell whether there is nothing to migrate, without writing anything."""
        missing = set(COLUMNS) - await self._existing_columns(connection)
        return not missing and await self._migrator(connection).is_up_to_date()

    def _migrator(self, connection: SqlConnection) -> RdbmsSessionStorageMigrator:
        # One record may serve several tables, so ours names the table, and it does not rely on
        # what the official adapter's names claim: those say nothing about a second table.
        names = (f"python_upgrade_{self._table}", *self.dialect.javascript_migrations)
        return RdbmsSessionStorageMigrator(
            connection,
            self._migrator_options,
            [MigrationOperation(name, self._upgrade) for name in names],
            dialect=self.dialect,
        )

    async def _upgrade(self, connection: SqlConnection) -> None:
        await self._upgrade_table(connection, await self._existing_columns(connection))

    async def _existing_columns(self, connection: SqlConnection) -> set[str]:
        columns = await connection.columns(self._table)
        if not self.dialect.ignores_column_case:
            return set(columns)
        known = {name.lower(): name for name in (*COLUMNS, "onlineAccessInfo")}
        return {known.get(name.lower(), name) for name in columns}

    async def _create_table(self, connection: SqlConnection) -> None:
        if not await connection.columns(self._table):
            columns = ", ".join(self._column_definition(name) for name in COLUMNS)
            await connection.execute(f"CREATE TABLE IF NOT EXISTS {self._quoted} ({columns})")

    def _column_definition(self, name: str) -> str:
        dialect = self.dialect
        type = dialect.text_type
        if name in ("id", "shop"):
            type = dialect.key_type
        elif name in _INTEGERS:
            type = dialect.integer_type
        elif name in _FLAGS:
            type = dialect.boolean_type
        rest = " NOT NULL" if name in _REQUIRED else ""
        if name == "id":
            rest += " PRIMARY KEY"
        return f"{dialect.identifier(name)} {type}{rest}"

    async def _add_missing_columns(self, connection: SqlConnection, existing: set[str]) -> None:
        for name in COLUMNS:
            if name not in existing:
                await connection.execute(
                    f"ALTER TABLE {self._quoted} ADD COLUMN {self._column_definition(name)}"
                )

    # --- statements -------------------------------------------------------------------------

    def _build_statements(self) -> None:
        dialect = self.dialect
        self._quoted = dialect.identifier(self._table)
        columns = [dialect.identifier(name) for name in COLUMNS]
        id, shop = columns[:2]
        updates = ", ".join(f"{name} = {dialect.inserted(name)}" for name in columns[1:])
        names = ", ".join(columns)
        self._select_ids = f"SELECT {names} FROM {self._quoted} WHERE {id} IN "
        self._select_shop = (
            f"SELECT {names} FROM {self._quoted} WHERE {shop} = {dialect.placeholder(1)}"
        )
        self._delete_ids = f"DELETE FROM {self._quoted} WHERE {id} IN "
        self._insert = f"INSERT INTO {self._quoted} ({names}) VALUES "
        self._update = f" {dialect.upsert} {updates}"
        self._lists: dict[int, str] = {}
        self._upserts: dict[int, str] = {}

    def _list(self, count: int) -> str:
        """Return the list of placeholders for *count* ids."""
        sql = self._lists.get(count)
        if sql is None:
            sql = self._lists[count] = self.dialect.placeholders(count)
        return sql

    def _upsert(self, count: int) -> str:
        """Return the statement that stores *count* sessions."""
        sql = self._upserts.get(count)
        if sql is None:
            width = len(COLUMNS)
            rows = ", ".join(
                self.dialect.placeholders(width, 1 + row * width) for row in range(count)
            )
            sql = self._upserts[count] = f"{self._insert}{rows}{self._update}"
        return sql

    async def _load(self, ids: Sequence[str]) -> Iterable[Session]:
        return self._read(await self._fetch(self._select_ids + self._list(len(ids)), ids))

    async def _find(self, shop: str) -> Iterable[Session]:
        return self._read(await self._fetch(self._select_shop, (shop,)))

    async def _delete(self, ids: Sequence[str]) -> None:
        await self._execute(self._delete_ids + self._list(len(ids)), ids)

    async def _store(self, sessions: Sequence[Session]) -> None:
        parameters = [value for session in sessions for value in self._to_row(session)]
        await self._execute(self._upsert(len(sessions)), parameters)

    # --- rows -------------------------------------------------------------------------------

    def _to_row(self, session: Session) -> tuple[Any, ...]:
        """Return the values of :data:`COLUMNS`."""
        info = session.online_access_info
        user = info.associated_user if info is not None else _NOBODY
        return (
            session.id,
            session.shop,
            session.state,
            session.is_online,
            session.scope,
            _to_units(session.expires, self.dialect.expires_unit),
            session.access_token,
            session.refresh_token,
            _to_units(session.refresh_token_expires, self.dialect.refresh_token_expires_unit),
            user.id,
            user.first_name,
            user.last_name,
            user.email,
            user.locale,
            user.email_verified,
            user.account_owner,
            user.collaborator,
        )

    def _read(self, rows: Iterable[Sequence[Any]]) -> list[Session]:
        return [read_stored(self._to_session, row, row[0]) for row in rows]

    def _to_session(self, row: Sequence[Any]) -> Session:
        """Read the values of :data:`COLUMNS` with JavaScript's coercions."""
        (
            id, shop, state, online, scope, expires, access_token, refresh_token,
            refresh_token_expires, user_id, first_name, last_name, email, locale, email_verified,
            account_owner, collaborator,
        ) = row  # fmt: skip
        is_online = js_is_online(online)
        for name, text in (("id", id), ("shop", shop), ("state", state)):
            if not isinstance(text, str):
                raise InvalidSessionError(f"{name} is missing or not a string")
        if access_token is not None and not isinstance(access_token, str):
            raise InvalidSessionError("accessToken is not a string")
        info = None
        if is_online:
            info = OnlineAccessInfo(
                AssociatedUser(
                    js_user_id(user_id),
                    js_string(first_name, "firstName"),
                    js_string(last_name, "lastName"),
                    js_string(email, "email"),
                    js_flag(email_verified),
                    js_flag(account_owner),
                    js_flag(collaborator),
                    js_string(locale, "locale"),
                )
            )
        return Session(
            id=id,
            shop=shop,
            state=state,
            is_online=is_online,
            scope=js_string(scope, "scope"),
            expires=js_date(expires, "expires", self.dialect.expires_unit),
            access_token=access_token,
            refresh_token=js_string(refresh_token, "refreshToken"),
            refresh_token_expires=js_date(
                refresh_token_expires,
                "refreshTokenExpires",
                self.dialect.refresh_token_expires_unit,
            ),
            online_access_info=info,
        )


_NOBODY: Final = AssociatedUser()


def _to_units(date: datetime | None, unit: int) -> int | None:
    return None if date is None else to_milliseconds(date) // unit
