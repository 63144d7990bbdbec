"""The tables: found, created, and brought up to date from whatever the official adapter made."""

import hashlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import aiomysql
from shopify_session_storage import MigrationError, SqlConnection, SqlSessionStorage
from shopify_session_storage.stored import COLUMNS

from shopify_session_storage_mysql import errors, statements
from shopify_session_storage_mysql.connections import OwnPool, UsersPool
from shopify_session_storage_mysql.dialect import DIALECT
from shopify_session_storage_mysql.errors import ConflictError, RaceError, code_of
from shopify_session_storage_mysql.statements import literal

# Both compare code point by code point and do not ignore trailing spaces. MariaDB has the first
# one, MySQL the second.
EXACT_COLLATIONS: Final = ("utf8mb4_nopad_bin", "utf8mb4_0900_bin")
_KEYS: Final = ("id", "shop")
_NUMBERS: Final = ("expires", "refreshTokenExpires", "userId")
_FLAGS: Final = ("isOnline", "emailVerified", "accountOwner", "collaborator")
_NARROW_NUMBERS: Final = ("tinyint", "smallint", "mediumint", "int")
_WIDE_TEXTS: Final = ("mediumtext", "longtext")
_LONGEST_KEY: Final = 768  # characters of four bytes in an index of InnoDB
_LOCK_SECONDS: Final = 600


class MySQLTables(SqlSessionStorage):
    """The tables of a storage in MySQL or MariaDB."""

    dialect = DIALECT
    # The official adapter may be creating the same tables at this moment, without a lock.
    race_errors = (RaceError, ConflictError, aiomysql.IntegrityError)
    _pool: OwnPool | UsersPool | None = None
    _collation = EXACT_COLLATIONS[0]
    _database = ""

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[SqlConnection]:
        assert self._pool is not None
        async with self._pool.acquire() as connection:
            yield _Connection(self, connection)

    @asynccontextmanager
    async def _migration_connection(self) -> AsyncIterator[SqlConnection]:
        assert self._pool is not None
        async with self._pool.acquire() as connection:
            migrating = _Connection(self, connection)
            names = f"{self._database}\0{self._table}".encode()
            lock = f"shopify_sessions {hashlib.sha256(names).hexdigest()[:32]}"
            # The server lets go of it when the connection ends, however that happens.
            rows = await migrating.fetch("SELECT GET_LOCK(%s, %s)", (lock, _LOCK_SECONDS))
            if rows[0][0] != 1:
                raise MigrationError(
                    f"mysql: another process has been migrating for {_LOCK_SECONDS} seconds"
                )
            try:
                yield migrating
            except BaseException:
                connection.close()
                raise
            await migrating.execute("DO RELEASE_LOCK(%s)", (lock,))

    def _is_denied(self, error: BaseException | None) -> bool:
        return code_of(error) in errors.DENIED

    async def _planned_sql(self, connection: SqlConnection) -> str:
        return (await super()._planned_sql(connection)).replace("%%", "%")

    def _upgrade_name(self) -> str:
        # The table of migrations may ignore case, or know no other characters.
        if re.fullmatch("[a-z0-9_]+", self._table):
            return super()._upgrade_name()
        return f"python_upgrade_{hashlib.sha256(self._table.encode()).hexdigest()[:32]}"

    async def _is_migrated(self, connection: SqlConnection) -> bool:
        # A table of the official adapter may have been restored since its upgrade was recorded,
        # and would confuse ids that differ in their case alone.
        existing = await self._existing_columns(connection)
        return not self._changes(existing) and await super()._is_migrated(connection)

    def _key_type(self) -> str:
        return f"{super()._key_type()} CHARACTER SET utf8mb4 COLLATE {self._collation}"

    def _changes(self, existing: Mapping[str, str]) -> list[str]:
        """Return what must change in a table that has these columns."""
        changes = []
        for name in COLUMNS:
            if name not in existing:
                changes.append(f"ADD COLUMN {self._column_definition(name)}")
            elif not self._is_wide(name, existing[name]):
                definition = self._column_definition(name).removesuffix(" PRIMARY KEY")
                length = _varchar_length(existing[name])
                if name in _KEYS and 255 < length <= _LONGEST_KEY:
                    definition = definition.replace("varchar(255)", f"varchar({length})")
                changes.append(f"MODIFY COLUMN {definition}")
        return changes

    def _is_wide(self, name: str, declared: str) -> bool:
        """Tell whether a column of this type and collation holds all that it must."""
        if name in _FLAGS:
            return True
        type, _, collation = declared.partition(" COLLATE ")
        if name in _KEYS:
            return collation in EXACT_COLLATIONS and _varchar_length(type) >= 255
        if name in _NUMBERS:
            return type.partition("(")[0].partition(" ")[0] not in _NARROW_NUMBERS
        return type in _WIDE_TEXTS and collation.startswith("utf8mb4_")

    async def _upgrade_table(self, connection: SqlConnection, existing: dict[str, str]) -> None:
        created = not any(existing.values())
        changes = [] if created else self._changes(existing)
        if any("`id`" in change or "`shop`" in change for change in changes):
            # The index on a key in utf8mb4 is longer than older formats allow.
            changes += ["ENGINE=InnoDB", "ROW_FORMAT=DYNAMIC"]
        if not await self._has_shop_index(connection):
            changes.append(f"ADD INDEX {self._shop_index()} (`shop`)")
        if changes:
            await connection.execute(f"ALTER TABLE {self._quoted} {', '.join(changes)}")
        if "onlineAccessInfo" in existing:
            await connection.execute(
                f"UPDATE {self._quoted} SET `userId` = "
                "CAST(SUBSTRING_INDEX(`onlineAccessInfo`, '.', 1) AS UNSIGNED) "
                "WHERE `onlineAccessInfo` REGEXP '^[0-9]{1,18}([.]0*)?$' AND `userId` IS NULL"
            )
            await connection.execute(f"ALTER TABLE {self._quoted} DROP COLUMN `onlineAccessInfo`")

    async def _has_shop_index(self, connection: SqlConnection) -> bool:
        try:
            rows = await connection.fetch(f"SHOW INDEX FROM {self._quoted}")
        except aiomysql.ProgrammingError as error:  # no table, when it is only being planned
            if code_of(error) != errors.NO_SUCH_TABLE:
                raise
            return False
        return any(row[3] == 1 and str(row[4]).lower() == "shop" for row in rows)


class _Connection:
    """A connection as migrations use it."""

    def __init__(self, storage: MySQLTables, connection: Any) -> None:
        self._storage = storage
        self._connection = connection

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        await self.fetch(sql, parameters)

    async def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> Sequence[Sequence[Any]]:
        return await statements.run(self._connection, sql % tuple(map(literal, parameters)))

    async def columns(self, table: str) -> dict[str, str]:
        # Not information_schema, which on MariaDB ignores the case of the table's name.
        try:
            rows = await self.fetch(
                f"SHOW FULL COLUMNS FROM {self._storage.dialect.identifier(table)}"
            )
        except aiomysql.MySQLError as error:
            # Without any right on a table one is not told whether it exists.
            if code_of(error) in (errors.NO_SUCH_TABLE, errors.TABLE_DENIED):
                return {}
            raise
        return {row[0]: f"{row[1]} COLLATE {row[2]}" if row[2] else row[1] for row in rows}


def _varchar_length(declared: str) -> int:
    """Return the length of a varchar; 0 for another type."""
    match = re.match(r"varchar\((\d+)\)", declared)
    return int(match[1]) if match else 0
