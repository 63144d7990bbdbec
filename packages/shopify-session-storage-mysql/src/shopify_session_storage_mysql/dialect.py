"""The SQL of MySQL and MariaDB, as far as both have it."""

from typing import Final

from shopify_session_storage import DIGITS, Dialect


class _MySQLDialect(Dialect):
    def identifier(self, name: str) -> str:
        # Parameters are put in with the operator %.
        return super().identifier(name).replace("%", "%%")


DIALECT: Final = _MySQLDialect(
    quote="`",
    placeholder=lambda number: "%s",
    key_type="varchar(255)",
    text_type="mediumtext CHARACTER SET utf8mb4",
    integer_type="bigint",
    boolean_type="tinyint",
    upsert=lambda key: "ON DUPLICATE KEY UPDATE",
    inserted=lambda column: f"VALUES({column})",
    # The columns of tokens have a collation that may ignore case, and in an old table a character
    # set of their own.
    is_same=lambda one, other: (
        f"CAST(CONVERT({one} USING utf8mb4) AS BINARY) <=> CAST({other} AS BINARY)"
    ),
    # Not by way of the session's time zone, where an hour can come twice.
    now="TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000",
    expires_unit=1000,
    refresh_token_expires_unit=1000,
    max_identifier_length=64,
    ignores_column_case=True,
    encodings=DIGITS,
    table_options=" ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4",
    javascript_migrations=(
        "migrateScopeFieldToVarchar1024",
        "addRefreshTokenFields",
        "addUserInfoColumns",
    ),
)
