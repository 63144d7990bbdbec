"""Sessions in MySQL or MariaDB, in the layout of Shopify's official JavaScript adapter."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Self

import aiomysql
from shopify_session_storage import (
    CorruptSessionError,
    MigrationError,
    OnError,
    RdbmsSessionStorageMigratorOptions,
    Session,
)
from shopify_session_storage.stored import COLUMNS
from shopify_session_storage.urls import url_with_credentials

from shopify_session_storage_mysql import connections, errors, statements
from shopify_session_storage_mysql.addresses import Tls, checked_options, parse_url
from shopify_session_storage_mysql.connections import OwnPool, UsersPool
from shopify_session_storage_mysql.errors import (
    ConflictError,
    NoConnectionError,
    RefusedDataError,
    code_of,
    shows_values,
)
from shopify_session_storage_mysql.migrations import EXACT_COLLATIONS, MySQLTables
from shopify_session_storage_mysql.statements import literal, run_for_mark

# Two processes that insert new rows can deadlock in the gaps between them, however the rows are
# sorted. The server ends one of the two at once.
_CONFLICT_PAUSES: Final = (0.002, 0.01, 0.03, 0.1, 0.2, 0.4)


# Decimals stay text, which is read as JavaScript reads it.
_from_json: Final = json.JSONDecoder(parse_float=str).decode


class MySQLSessionStorage(MySQLTables):
    """Keeps sessions in a table of a MySQL or MariaDB database.

    Every operation is one statement in one round trip; on a pool of your own without autocommit,
    three.

    Args:
        url: ``mysql://user:password@host:port/database``, with ``ssl-mode``, ``ssl-ca``,
            ``ssl-cert`` and ``ssl-key`` as MySQL's own clients have them; or an aiomysql pool,
            which is used as it is and never closed.
        session_table_name: Name of the table; created if it does not exist.
        connection_pool_limit: How many connections there may be at once, at least 1.
        pool_options: Options of ``aiomysql.connect()`` such as ``ssl`` (an ``ssl.SSLContext``),
            ``unix_socket`` or ``connect_timeout`` (seconds; 15), and ``pool_recycle``, the
            seconds for which a connection may be idle (180; -1: for ever).
        migrator_options: Where applied migrations are recorded.
        on_error: ``"log"`` failures of the database, or ``"raise"`` them.

    Raises:
        TypeError: If an argument is of another type.
        ValueError: If the URL is not a MySQL URL, a name is not usable, or there are options that
            contradict each other.
    """

    backend = "mysql"
    driver_errors = (aiomysql.MySQLError, OSError)
    connection_errors = (NoConnectionError, OSError)
    data_errors = (RefusedDataError, aiomysql.DataError, aiomysql.IntegrityError)

    def __init__(
        self,
        url: str | aiomysql.Pool,
        *,
        session_table_name: str = "shopify_sessions",
        connection_pool_limit: int = 10,
        pool_options: Mapping[str, Any] | None = None,
        migrator_options: RdbmsSessionStorageMigratorOptions | None = None,
        on_error: OnError = "log",
    ) -> None:
        self._injected: aiomysql.Pool | None = None
        self._address: dict[str, Any] = {}
        self._tls: Tls | None = None
        if isinstance(url, aiomysql.Pool):
            if pool_options is not None:
                raise ValueError("pool_options are for a pool that this storage makes")
            self._injected = url
        elif isinstance(url, str):
            self._address, self._tls = parse_url(url)
        else:
            raise TypeError(
                "url must be a str or an aiomysql.Pool (what awaiting aiomysql.create_pool() "
                f"gives), not {type(url).__name__}"
            )
        if type(connection_pool_limit) is not int:
            raise TypeError("connection_pool_limit must be an int")
        if connection_pool_limit < 1:
            raise ValueError("connection_pool_limit must be at least 1")
        self._limit = connection_pool_limit
        self._pool_options = checked_options(pool_options or {}, self._tls)
        super().__init__(
            session_table_name=session_table_name,
            migrator_options=migrator_options,
            on_error=on_error,
        )

    @classmethod
    def with_credentials(
        cls,
        host: str,
        database: str,
        username: str,
        password: str,
        *,
        port: int = 3306,
        **options: Any,
    ) -> Self:
        """Make a storage from the parts of a URL, none of which needs escaping.

        Args:
            host: A name or an address, of version 6 too.
            database: Name of the database.
            username: Who connects.
            password: Their password.
            port: The server's port.
            options: The options of the class.
        """
        url = url_with_credentials("mysql", host, port, username, password, database)
        return cls(url, **options)

    def __repr__(self) -> str:
        address = self._address
        where = f"{address['host']}/{address['db']}" if address else "a pool"
        return f"<MySQLSessionStorage on {where}>"

    # --- connections ------------------------------------------------------------------------

    async def _open_connections(self) -> None:
        if self._injected is not None:
            self._pool = UsersPool(self._injected)
        else:
            self._pool = self._own_pool()
        async with self._pool.acquire() as connection:
            (row,) = await statements.run(connection, _SETTINGS)
        self._check_settings(*row)

    def _own_pool(self) -> OwnPool:
        options = {**self._address, **self._pool_options}
        recycle = options.pop("pool_recycle", connections.RECYCLE_SECONDS)
        needs_tls = bool(options.get("ssl"))
        if not needs_tls and "ssl" not in options:
            # Nobody listens on the way through a socket of the same machine.
            tls = self._tls or Tls("DISABLED" if options.get("unix_socket") else "PREFERRED")
            options["ssl"] = tls.context()
            needs_tls = tls.mode not in ("DISABLED", "PREFERRED")
        return OwnPool(
            lambda: connections.connect(options, needs_tls=needs_tls), self._limit, recycle
        )

    def _check_settings(
        self, number: object, database: object, modes: str, collations: str | None,
        charsets: str, max_packet: int,
    ) -> None:  # fmt: skip
        # On a connection of ours all of this is as it must be, but for the collations.
        if number != 1 or not isinstance(modes, str):
            raise ValueError("the aiomysql pool must give text as str; do not set use_unicode")
        if not isinstance(database, str):
            raise ValueError("the aiomysql pool must name a database; set db=")
        if charsets != "utf8mb4 utf8mb4 utf8mb4":
            raise ValueError('the aiomysql pool must use utf8mb4; set charset="utf8mb4"')
        if "EMPTY_STRING_IS_NULL" in modes:
            raise ValueError("the aiomysql pool must not have the sql_mode EMPTY_STRING_IS_NULL")
        known = (collations or "").split(",")
        exact = [name for name in EXACT_COLLATIONS if name in known]
        if not exact:
            raise MigrationError("mysql: MySQL 8.0.17 or MariaDB 10.2, or later, is needed")
        self._collation = exact[0]
        self._database = database
        # A group must fit into a packet, also if all of its text has to be written in hexadecimal.
        self.max_group_bytes = min(type(self).max_group_bytes, max_packet // 4)

    async def _close(self) -> None:
        pool, self._pool = self._pool, None
        if isinstance(pool, OwnPool):
            await pool.close()

    def _abandon(self) -> None:
        pool, self._pool = self._pool, None
        if isinstance(pool, OwnPool):
            pool.abandon()

    async def _recover(self) -> None:
        # A restart of the server breaks all idle connections, and the second try must not get
        # another one of them. A pool of the user's looks for broken ones by itself.
        if isinstance(self._pool, OwnPool):
            self._pool.expire()

    async def _ping(self) -> None:
        await self._fetch("SELECT 1", ())

    async def _fetch(self, sql: str, parameters: Sequence[Any]) -> Iterable[Sequence[Any]]:
        assert self._pool is not None
        async with self._pool.acquire() as connection:
            return await statements.run(connection, sql % tuple(map(literal, parameters)))

    # aiomysql takes longer to read a column's description than we take to read a session, so that
    # the server makes one column of all.

    def _build_statements(self) -> None:
        super()._build_statements()
        columns = ", ".join(map(self.dialect.identifier, COLUMNS))
        self._select = f"SELECT JSON_ARRAY({columns}) FROM {self._quoted} WHERE "

    def _read(self, rows: Iterable[Sequence[Any]]) -> list[Session]:
        try:
            values = [_from_json(text) for (text,) in rows]
        except (TypeError, ValueError):  # its message would have the text
            values = None
        if values is None:
            raise CorruptSessionError("mysql: the server's JSON cannot be read")
        return super()._read(values)

    async def _execute(self, sql: str, parameters: Sequence[Any]) -> None:
        await self._change(sql, parameters)

    async def _change(self, sql: str, parameters: Sequence[Any]) -> bool:
        for pause in _CONFLICT_PAUSES:
            try:
                return await self._change_once(sql, parameters)
            except ConflictError:
                await asyncio.sleep(pause)
        return await self._change_once(sql, parameters)

    async def _change_once(self, sql: str, parameters: Sequence[Any]) -> bool:
        assert self._pool is not None
        async with self._pool.acquire() as connection:
            statement = sql % tuple(map(literal, parameters))
            return await run_for_mark(connection, statement) > 0

    # --- comparisons and leases -------------------------------------------------------------

    # Whether a statement has found its row is not told by the number of affected rows, which is
    # that of changed ones on some connections and that of found ones on others. But what is given
    # to LAST_INSERT_ID() for a row comes back with the answer. It is an expression of that row's,
    # so that the server cannot compute it without one.

    def _build_comparisons(self, columns: Sequence[str]) -> None:
        super()._build_comparisons(columns)
        found = f"IF(LAST_INSERT_ID(LENGTH({self._id})), {self._id}, {self._id})"
        self._replace = self._replace.replace(" SET ", f" SET {self._id} = {found}, ", 1)
        self._insert_new = f"{self._insert}VALUES {self.dialect.placeholders(len(columns))}"

    def _build_leases(self) -> None:
        super()._build_leases()
        now = self.dialect.now
        # Assignments are made from left to right, and the second one sees the new holder.
        self._acquire = (
            f"INSERT INTO {self._quoted_leases} (name, holder, expires) "
            f"VALUES (%s, %s, LAST_INSERT_ID({now} + %s)) ON DUPLICATE KEY UPDATE "
            f"holder = IF(holder = VALUES(holder) OR expires <= {now}, VALUES(holder), holder), "
            "expires = IF(holder = VALUES(holder), VALUES(expires), "
            "IF(LAST_INSERT_ID(LENGTH(name) * 0), expires, expires))"
        )

    async def _compare_and_store(self, session: Session, expected: Session | None) -> bool:
        if expected is not None:
            return await super()._compare_and_store(session, expected)
        try:
            await self._execute(self._insert_new, self._to_row(session))
        except aiomysql.IntegrityError as error:
            # Not if it is about an index of somebody's own.
            if code_of(error) != errors.DUPLICATE or "PRIMARY'" not in str(error.args[1]):
                raise
            return False
        return True

    # --- errors -----------------------------------------------------------------------------

    def _describe(self, error: Exception) -> str:
        code = code_of(error)
        kind = type(error).__name__ + (f" ({code})" if code is not None else "")
        if shows_values(error):
            return kind
        text = error.args[-1] if code is not None else error
        cause = f" ({type(error.__cause__).__name__}: {error.__cause__})" if error.__cause__ else ""
        return f"{kind}: {text}{cause}"

    def _scrub(self, error: Exception) -> None:
        if shows_values(error):
            error.args = (error.args[0], "what the server said may show a stored value")


_SETTINGS: Final = (
    "SELECT 1, DATABASE(), @@sql_mode, (SELECT GROUP_CONCAT(COLLATION_NAME) "
    "FROM information_schema.COLLATIONS WHERE COLLATION_NAME IN ({})), "
    "CONCAT_WS(' ', @@character_set_client, @@character_set_connection, "
    "@@character_set_results), @@max_allowed_packet"
).format(", ".join(map(literal, EXACT_COLLATIONS)))


def open_url(url: str, **options: Any) -> MySQLSessionStorage:
    """Make the storage for ``mysql://...``."""
    return MySQLSessionStorage(url, **options)
