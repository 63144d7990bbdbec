"""Sessions in a PostgreSQL database."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, Self, Unpack, cast

import asyncpg
from shopify_session_storage import (
    Dialect,
    Kind,
    LayoutName,
    OnError,
    RdbmsSessionStorageMigratorOptions,
    Session,
    Verdict,
    hides_arguments,
    url_with_credentials,
)

from shopify_session_storage_postgresql.addresses import (
    checked_options,
    combined,
    read_address,
)
from shopify_session_storage_postgresql.connections import POOL_OPTIONS
from shopify_session_storage_postgresql.errors import (
    DRIVER_ERRORS,
    RACE_ERRORS,
    describe,
    failure_of,
    scrub,
)
from shopify_session_storage_postgresql.migrations import PostgreSQLMigrations
from shopify_session_storage_postgresql.options import PostgreSQLOptions

_CASTS: Final = {
    Kind.TEXT: "text",
    Kind.INTEGER: "bigint",
    Kind.BOOLEAN: "boolean",
    Kind.TIMESTAMP: "timestamp",
    Kind.TIMESTAMP_WITH_ZONE: "timestamptz",
}


class PostgreSQLSessionStorage(PostgreSQLMigrations):
    """Keeps sessions in a table of a PostgreSQL database.

    Every operation is one statement in one round trip. Behind a pooler such as PgBouncer, which the
    storage notices when it opens, an operation is a transaction of four round trips, because a
    pooler may give each statement another server connection.

    Args:
        url: ``postgresql://user:password@host:port/database``. It may have several hosts,
            ``?schema=``, and the parameters of libpq, of Prisma and of the usual hosting services.
            Or an asyncpg pool, which is used as it is and never closed.
        session_table_name: Name of the table; None for the usual one of the layout, such as
            ``shopify_sessions``.
        layout: Whose table it is: ``"shopify"``, a table that is created if it does not exist; or
            ``"prisma"`` or ``"drizzle"``, a table that Prisma or Drizzle has created. Such a table
            is used as it is, and no other table is created beside it.
        column_names: Names of columns of such a table that differ by more than case and
            underscores, such as ``{"accessToken": "token"}``.
        leases_table_name: Name of the table of leases.
        schema: Schema of the tables, created if it does not exist; without one, the first of the
            connection's search path.
        pool_options: Options of ``asyncpg.create_pool()``, such as ``max_size``.
        migrator_options: Where applied migrations are recorded.
        rewrite_large_tables: Whether opening may rewrite a table of 100,000 rows or more whose
            columns are too narrow. Nobody else can use the table meanwhile.
        on_error: ``"log"`` failures of the database, or ``"raise"`` them.
        timeout: How long a call may take. The server is told to give up a little earlier.

    Raises:
        TypeError: If an argument is of another type.
        ValueError: If the URL cannot be used or has an unknown parameter, there is no such layout,
            a name cannot be used, or *pool_options* are given with a pool of your own.
    """

    backend = "postgresql"
    driver_errors = DRIVER_ERRORS
    race_errors = RACE_ERRORS
    dialect = Dialect(
        quote='"',
        placeholder=lambda number: f"${number}",
        key_type="varchar(255)",
        text_type="text",
        integer_type="bigint",
        boolean_type="boolean",
        upsert=lambda key: f"ON CONFLICT ({key}) DO UPDATE SET",
        inserted=lambda column: f"excluded.{column}",
        is_same=lambda one, other: f"{one} IS NOT DISTINCT FROM {other}",
        # Not now(), which is when the transaction began, before it had to wait for a row.
        now="(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
        expires_unit=1000,
        refresh_token_expires_unit=1,
        max_identifier_length=63,
        ignores_column_case=False,
        javascript_migrations=(
            "migrateScopeFieldToVarchar1024",
            "migrateToCaseSensitivity",
            "migrateToRefreshTokens",
            "addUserInfoColumns",
        ),
    )

    @hides_arguments
    def __init__(
        self,
        url: "str | asyncpg.Pool[Any]",
        *,
        session_table_name: str | None = None,
        layout: LayoutName = "shopify",
        column_names: Mapping[str, str] | None = None,
        leases_table_name: str | None = None,
        schema: str | None = None,
        pool_options: Mapping[str, Any] | None = None,
        migrator_options: RdbmsSessionStorageMigratorOptions | None = None,
        rewrite_large_tables: bool = False,
        on_error: OnError = "log",
        timeout: timedelta = timedelta(seconds=10),
    ) -> None:
        self._injected: asyncpg.Pool[Any] | None = None
        self._dsn, self._where = "", "a pool"
        self._pool_options: Mapping[str, Any] = {}
        if isinstance(url, asyncpg.Pool):
            if pool_options is not None:
                raise ValueError("pool_options are for a pool that this storage makes")
            self._injected = url
        else:
            address = read_address(url)
            self._dsn, self._where = address.dsn, address.where
            given = checked_options(pool_options or {})
            self._pool_options = combined(POOL_OPTIONS, address.pool_options, given)
            schema = schema if schema is not None else address.schema
            layout = cast("LayoutName", address.layout or layout) if layout == "shopify" else layout
        self._given_schema = schema
        if type(rewrite_large_tables) is not bool:
            raise TypeError("rewrite_large_tables must be a bool")
        self._rewrite_large_tables = rewrite_large_tables
        options = migrator_options or RdbmsSessionStorageMigratorOptions()
        if not isinstance(options, RdbmsSessionStorageMigratorOptions):
            raise TypeError("migrator_options must be RdbmsSessionStorageMigratorOptions")
        super().__init__(
            session_table_name=session_table_name,
            layout=layout,
            column_names=column_names,
            leases_table_name=leases_table_name,
            # The official adapter does not quote these names, so PostgreSQL folds them.
            migrator_options=replace(
                options,
                migration_db_identifier=options.migration_db_identifier.lower(),
                migration_name_column_name=options.migration_name_column_name.lower(),
            ),
            schema=schema,
            on_error=on_error,
            timeout=timeout,
        )

    @classmethod
    @hides_arguments
    def with_credentials(
        cls,
        host: str,
        database: str,
        username: str,
        password: str,
        *,
        port: int = 5432,
        **options: Unpack[PostgreSQLOptions],
    ) -> Self:
        """Make a storage from the parts of a URL, none of which needs escaping.

        Args:
            host: A name or an IP address, IPv6 too.
            database: Name of the database.
            username: The user who connects.
            password: That user's password.
            port: The server's port.
            options: The options of the class.
        """
        url = url_with_credentials("postgresql", host, port, username, password, database)
        return cls(url, **options)

    def __repr__(self) -> str:
        return f"<PostgreSQLSessionStorage on {self._where}>"

    def _build_statements(self) -> None:
        super()._build_statements()
        access, refresh = self._tokens("stored.")
        self._delete_same = (
            f"DELETE FROM {self._quoted} AS stored "
            "USING unnest($1::text[], $2::text[], $3::text[]) AS gone (id, access, refresh) "
            f"WHERE stored.{self._id} = gone.id "
            f"AND {access} IS NOT DISTINCT FROM gone.access "
            f"AND {refresh} IS NOT DISTINCT FROM gone.refresh RETURNING stored.{self._id}"
        )
        # Many rows travel as one array of text for each column, whatever the column's type: asyncpg
        # knows that array's type by itself, and would ask the server for others on each new
        # connection.
        kinds = list(self._mapping.kinds.values())
        self._is_text = [kind is Kind.TEXT for kind in kinds]
        self._unnest = "SELECT {} FROM unnest({}) AS new ({})".format(
            ", ".join(f"c{n}::{_CASTS[kind]}" for n, kind in enumerate(kinds)),
            ", ".join(f"${n}::text[]" for n in range(1, len(kinds) + 1)),
            ", ".join(f"c{n}" for n in range(len(kinds))),
        )

    async def _compare_and_delete(self, expected: Sequence[Session]) -> Iterable[str]:
        ids = [session.id for session in expected]
        access, refresh = map(list, zip(*map(self._mapping.tokens, expected), strict=True))
        deleted = {row[0] for row in await self._fetch(self._delete_same, (ids, access, refresh))}
        left = [id for id in ids if id not in deleted]
        if not left:
            return []
        condition, parameters = self._is_one_of(self._id, left)
        rows = await self._fetch(
            f"SELECT {self._id} FROM {self._quoted} WHERE {condition}", parameters
        )
        return [row[0] for row in rows]

    def _is_one_of(self, column: str, values: Sequence[str]) -> tuple[str, Sequence[Any]]:
        if len(values) == 1:
            return f"{column} = $1", values
        return f"{column} = ANY($1::text[])", (values,)

    def _rows(self, rows: Sequence[tuple[Any, ...]]) -> tuple[str, Sequence[Any]]:
        if len(rows) == 1:
            return super()._rows(rows)
        columns = zip(*rows, strict=True)
        return self._unnest, [
            column if is_text else [None if value is None else str(value) for value in column]
            for is_text, column in zip(self._is_text, columns, strict=True)
        ]

    def _is_denied(self, error: BaseException | None) -> bool:
        return isinstance(error, asyncpg.InsufficientPrivilegeError)

    def _verdict(self, error: Exception) -> Verdict:
        return failure_of(error).verdict

    def _describe(self, error: Exception) -> str:
        return describe(error)

    def _scrub(self, error: Exception) -> None:
        scrub(error)


@hides_arguments
def open_url(url: str, **options: Unpack[PostgreSQLOptions]) -> PostgreSQLSessionStorage:
    """Make the storage for ``postgresql://...`` or ``postgres://...``."""
    return PostgreSQLSessionStorage(url, **options)
