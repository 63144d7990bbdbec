"""The names of a storage's tables in an SQL database."""

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar

from shopify_session_storage.base import DEFAULT_TIMEOUT
from shopify_session_storage.dialect import Dialect
from shopify_session_storage.failures import OnError
from shopify_session_storage.migrations import RdbmsSessionStorageMigratorOptions
from shopify_session_storage.sql.layouts import (
    LayoutName,
    RowMapping,
    check_column_names,
    layout_named,
)
from shopify_session_storage.sql.table import TableSessionStorage


class SqlNames(TableSessionStorage):
    """The names of the tables of sessions, of leases and of applied migrations.

    Attributes:
        dialect: How the database wants its SQL.
    """

    dialect: ClassVar[Dialect]

    def __init__(
        self,
        *,
        session_table_name: str | None = None,
        layout: LayoutName = "shopify",
        column_names: Mapping[str, str] | None = None,
        leases_table_name: str | None = None,
        migrator_options: RdbmsSessionStorageMigratorOptions | None = None,
        schema: str | None = None,
        on_error: OnError = "log",
        timeout: timedelta = DEFAULT_TIMEOUT,
    ) -> None:
        super().__init__(on_error=on_error, timeout=timeout)
        options = migrator_options or RdbmsSessionStorageMigratorOptions()
        if not isinstance(options, RdbmsSessionStorageMigratorOptions):
            raise TypeError("migrator_options must be RdbmsSessionStorageMigratorOptions")
        check = self.dialect.check_identifier
        self._layout = layout_named(layout)
        self._column_names = check_column_names(self._layout, column_names)
        if session_table_name is None:
            session_table_name = self._layout.table
        self._table = check("session_table_name", session_table_name)
        if schema is not None:
            check("schema", schema)
        check("migration_db_identifier", options.migration_db_identifier)
        check("migration_name_column_name", options.migration_name_column_name)
        if leases_table_name is None:
            leases_table_name = self._derived_name("leases")
        self._leases_table = check("leases_table_name", leases_table_name)
        if leases_table_name == session_table_name:
            raise ValueError("sessions and leases cannot be in one table")
        if options.migration_db_identifier == session_table_name:
            raise ValueError("sessions and migrations cannot be in one table")
        if options.migration_db_identifier == self._leases_table:
            raise ValueError("leases and migrations cannot be in one table")
        self._migrator_options = options
        self._schema = schema
        self._quoted = self.dialect.qualified(schema, session_table_name)
        self._quoted_leases = self.dialect.qualified(schema, self._leases_table)
        self._has_leases = False
        # Those of a table of another program are known when it has been looked at.
        self._mapping = RowMapping.official(
            self.dialect.expires_unit, self.dialect.refresh_token_expires_unit
        )

    def _table_name(self) -> str:
        return self._table

    def _derived_name(self, suffix: str) -> str:
        """Return the name of what belongs to the table, of a length that the database takes."""
        name = f"{self._table}_{suffix}"
        if len(name.encode()) > self.dialect.max_identifier_length:
            name = f"{suffix}_{hashlib.sha256(self._table.encode()).hexdigest()[:32]}"
        return name
