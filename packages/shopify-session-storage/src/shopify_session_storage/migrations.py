"""Named migrations. Each is applied once and recorded by name, in a record shared with JavaScript.

The classes are the Python versions of those of ``@shopify/shopify-app-session-storage``.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from shopify_session_storage.dialect import Dialect
from shopify_session_storage.errors import MigrationError, SessionStorageError

ConnectionT = TypeVar("ConnectionT")


@dataclass(frozen=True)
class MigrationOperation(Generic[ConnectionT]):
    """One step of a migration.

    Attributes:
        migration_name: The name under which it is recorded. It must never change after a release.
        migration_function: Does the step, on a connection. It must be repeatable, because a process
            can die before the step is recorded.
    """

    migration_name: str
    migration_function: Callable[[ConnectionT], Awaitable[None]]


@dataclass(frozen=True)
class SessionStorageMigratorOptions:
    """Where applied migrations are recorded.

    Attributes:
        migration_db_identifier: Name of the table or key.
    """

    migration_db_identifier: str = "shopify_sessions_migrations"


@dataclass(frozen=True)
class RdbmsSessionStorageMigratorOptions(SessionStorageMigratorOptions):
    """Where applied migrations are recorded in an SQL database.

    Attributes:
        migration_db_identifier: Name of the table.
        migration_name_column_name: Name of its only column.
    """

    migration_name_column_name: str = "migration_name"


@dataclass(frozen=True)
class RdbmsSessionStorageOptions:
    """The tables of a storage in an SQL database.

    Attributes:
        session_table_name: Name of the table of sessions.
        migrator_options: Where applied migrations are recorded.
    """

    session_table_name: str = "shopify_sessions"
    migrator_options: RdbmsSessionStorageMigratorOptions = field(
        default_factory=RdbmsSessionStorageMigratorOptions
    )


class SessionStorageMigrator(ABC):
    """Upgrades a backend to the current layout."""

    @abstractmethod
    async def apply_migrations(self) -> None:
        """Apply what has not been applied yet, in order."""


class AbstractMigrationEngine(SessionStorageMigrator, Generic[ConnectionT]):
    """Applies a list of migrations and records each by its name.

    The caller must make sure that only one engine works on a backend at a time.

    Args:
        connection: The connection that the migration functions get.
        options: Where applied migrations are recorded.
        migrations: The migrations, in order.

    Raises:
        ValueError: If two migrations have the same name.
    """

    def __init__(
        self,
        connection: ConnectionT,
        options: SessionStorageMigratorOptions,
        migrations: Sequence[MigrationOperation[ConnectionT]],
    ) -> None:
        names = [migration.migration_name for migration in migrations]
        if len(set(names)) < len(names):
            raise ValueError("two migrations have one name")
        self.connection = connection
        self.options = options
        self.migrations = tuple(migrations)

    async def apply_migrations(self) -> None:
        """Apply what has not been applied yet, in order.

        Raises:
            MigrationError: If one fails, with the driver's error as the cause.
        """
        await self.init_migration_persistence()
        for migration in self.migrations:
            name = migration.migration_name
            if not await self.has_migration_been_applied(name):
                await self._apply(migration)
                await self.save_applied_migration(name)

    async def _apply(self, migration: MigrationOperation[ConnectionT]) -> None:
        try:
            await migration.migration_function(self.connection)
        except SessionStorageError:
            raise
        except Exception as error:
            raise MigrationError(
                f"migration {migration.migration_name!r} failed: {type(error).__name__}"
            ) from error

    @abstractmethod
    async def init_migration_persistence(self) -> None:
        """Create the record of applied migrations if it does not exist."""

    @abstractmethod
    async def has_migration_been_applied(self, migration_name: str) -> bool:
        """Tell whether a migration is recorded."""

    @abstractmethod
    async def save_applied_migration(self, migration_name: str) -> None:
        """Record a migration."""


class SqlConnection(Protocol):
    """One connection to an SQL database, as migrations use it."""

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Run a statement."""

    async def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> Sequence[Sequence[Any]]:
        """Run a query and return its rows."""

    async def columns(self, table: str) -> dict[str, str]:
        """Return the declared type of each column of *table*, by name; empty without a table."""


class RdbmsSessionStorageMigrator(AbstractMigrationEngine[SqlConnection]):
    """Applies migrations to an SQL database and records them in a table of one column.

    Args:
        connection: The connection to work on.
        options: The table and its column.
        migrations: The migrations, in order.
        dialect: How the database wants its SQL.
        schema: The schema of the table; None for the default.
    """

    def __init__(
        self,
        connection: SqlConnection,
        options: RdbmsSessionStorageMigratorOptions,
        migrations: Sequence[MigrationOperation[SqlConnection]],
        *,
        dialect: Dialect,
        schema: str | None = None,
    ) -> None:
        super().__init__(connection, options, migrations)
        self._table = dialect.qualified(schema, options.migration_db_identifier)
        self._column = dialect.identifier(options.migration_name_column_name)
        self._placeholder = dialect.placeholder(1)
        self._table_options = dialect.table_options
        self._applied: set[str] | None = None

    async def is_up_to_date(self) -> bool:
        """Tell whether every migration is recorded. Writes nothing."""
        names = {migration.migration_name for migration in self.migrations}
        return await self._has_table() and names <= await self._read_applied()

    async def init_migration_persistence(self) -> None:
        """Create the table of applied migrations if it does not exist."""
        # Asked first, because creating one that exists needs the right to create.
        if await self._has_table():
            self._applied = await self._read_applied()
        else:
            self._applied = set()
            await self.connection.execute(
                f"CREATE TABLE IF NOT EXISTS {self._table} "
                f"({self._column} varchar(255) NOT NULL PRIMARY KEY){self._table_options}"
            )

    async def has_migration_been_applied(self, migration_name: str) -> bool:
        """Tell whether a migration is recorded."""
        if self._applied is None:
            self._applied = await self._read_applied()
        return migration_name in self._applied

    async def save_applied_migration(self, migration_name: str) -> None:
        """Record a migration."""
        await self.connection.execute(
            f"INSERT INTO {self._table} ({self._column}) VALUES ({self._placeholder})",
            (migration_name,),
        )
        if self._applied is not None:
            self._applied.add(migration_name)

    async def _has_table(self) -> bool:
        return bool(await self.connection.columns(self.options.migration_db_identifier))

    async def _read_applied(self) -> set[str]:
        rows = await self.connection.fetch(f"SELECT {self._column} FROM {self._table}")
        return {row[0] for row in rows}
