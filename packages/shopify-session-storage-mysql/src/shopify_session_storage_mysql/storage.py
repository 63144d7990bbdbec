"""Sessions in MySQL or MariaDB."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final, Self, Unpack, cast

import aiomysql
from shopify_session_storage import (
    DEFAULT_TIMEOUT,
    LayoutName,
    MigrationError,
    OnError,
    RdbmsSessionStorageMigratorOptions,
    Verdict,
    hides_arguments,
    url_with_credentials,
)

from shopify_session_storage_mysql import connections, errors, statements
from shopify_session_storage_mysql.addresses import Address, checked_options, parse_url
from shopify_session_storage_mysql.comparing import MySQLComparing
from shopify_session_storage_mysql.connections import OwnPool, UsersPool
from shopify_session_storage_mysql.existing import EXACT_COLLATIONS
from shopify_session_storage_mysql.options import MySQLOptions
from shopify_session_storage_mysql.statements import literal
from shopify_session_storage_mysql.tls import Tls

_DEFAULT_LIMIT: Final = 10


class MySQLSessionStorage(MySQLComparing):
    """Keeps sessions in a table of a MySQL or MariaDB database.

    Every operation is one statement in one round trip; three round trips on a pool of your own
    without autocommit.

    Args:
        url: ``mysql://user:password@host:port/database``, with the parameters of MySQL's clients,
            Prisma, JDBC, Node and the usual hosting services; or an aiomysql pool, which is used as
            it is and never closed.
        session_table_name: Name of the table; None for the usual one of the layout, such as
            ``shopify_sessions``.
        layout: Whose table it is: ``"shopify"``, a table that is created if it does not exist; or
            ``"prisma"`` or ``"drizzle"``, a table that Prisma or Drizzle has created. Such a table
            is used as it is, and no other table is created beside it.
        column_names: Names of columns of such a table that differ by more than case and
            underscores, such as ``{"accessToken": "token"}``.
        leases_table_name: Name of the table of leases.
        connection_pool_limit: How many connections there may be at once; 1 or more.
        pool_options: Options of ``aiomysql.connect()`` such as ``ssl`` (an ``ssl.SSLContext``),
            ``unix_socket`` or ``connect_timeout`` (in seconds; default 15), and ``pool_recycle``,
            how many seconds a connection may be idle (default 180; -1: for ever). ``password`` may
            be a callable, sync or async, that returns the password for each new connection.
        migrator_options: Where applied migrations are recorded.
        rewrite_large_tables: Whether opening may rewrite a table of 100,000 rows or more whose
            columns are too narrow. Nobody else can write to the table meanwhile.
        on_error: ``"log"`` failures of the database, or ``"raise"`` them.
        timeout: How long a call may take. A shorter ``socket_timeout`` in the URL takes its place.

    Raises:
        TypeError: If an argument is of another type.
        ValueError: If the URL is not a MySQL URL, there is no such layout, a name cannot be used,
            or options contradict each other.
    """

    backend = "mysql"
    driver_errors = (aiomysql.MySQLError, OSError)

    @hides_arguments
    def __init__(
        self,
        url: str | aiomysql.Pool,
        *,
        session_table_name: str | None = None,
        layout: LayoutName = "shopify",
        column_names: Mapping[str, str] | None = None,
        leases_table_name: str | None = None,
        connection_pool_limit: int = _DEFAULT_LIMIT,
        pool_options: Mapping[str, Any] | None = None,
        migrator_options: RdbmsSessionStorageMigratorOptions | None = None,
        rewrite_large_tables: bool = False,
        on_error: OnError = "log",
        timeout: timedelta = DEFAULT_TIMEOUT,
    ) -> None:
        self._injected: aiomysql.Pool | None = None
        self._address = Address({})
        if isinstance(url, aiomysql.Pool):
            if pool_options is not None:
                raise ValueError("pool_options are for a pool that this storage makes")
            self._injected = url
        elif isinstance(url, str):
            self._address = parse_url(url)
            if layout == "shopify":
                layout = cast("LayoutName", self._address.layout or layout)
        else:
            raise TypeError(
                "url must be a str or an aiomysql.Pool (what awaiting aiomysql.create_pool() "
                f"gives), not {type(url).__name__}"
            )
        if type(connection_pool_limit) is not int:
            raise TypeError("connection_pool_limit must be an int")
        if connection_pool_limit < 1:
            raise ValueError("connection_pool_limit must be at least 1")
        if type(rewrite_large_tables) is not bool:
            raise TypeError("rewrite_large_tables must be a bool")
        self._limit = connection_pool_limit
        if connection_pool_limit == _DEFAULT_LIMIT:
            self._limit = self._address.limit or connection_pool_limit
        self._pool_options = checked_options(pool_options or {}, self._address.tls)
        self._rewrite_large_tables = rewrite_large_tables
        super().__init__(
            session_table_name=session_table_name,
            layout=layout,
            column_names=column_names,
            leases_table_name=leases_table_name,
            migrator_options=migrator_options,
            on_error=on_error,
            timeout=timeout,
        )
        if self._address.seconds is not None:
            self._seconds = min(self._seconds, self._address.seconds)
            self._timeout = timedelta(seconds=self._seconds)

    @classmethod
    @hides_arguments
    def with_credentials(
        cls,
        host: str,
        database: str,
        username: str,
        password: str,
        *,
        port: int = 3306,
        **options: Unpack[MySQLOptions],
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
        url = url_with_credentials("mysql", host, port, username, password, database)
        return cls(url, **options)

    def __repr__(self) -> str:
        options = self._address.options
        where = f"{options['host']}/{options['db']}" if options else "a pool"
        return f"<MySQLSessionStorage on {where}>"

    async def _open_connections(self) -> None:
        if self._injected is not None:
            self._pool = UsersPool(self._injected)
            row = await self._once_more(partial(self._settings, self._pool))
        else:
            self._pool = self._own_pool()
            async with self._pool.acquire():
                pass  # which has a time limit of its own
            row = await self._settings(self._pool)
        self._check_settings(*row)

    async def _settings(self, pool: OwnPool | UsersPool) -> Sequence[Any]:
        async with self._in_time(), pool.acquire() as connection:
            (row,) = await statements.run(connection, _SETTINGS)
        return row

    def _own_pool(self) -> OwnPool:
        options = {**self._address.options, **self._pool_options}
        recycle = options.pop("pool_recycle", connections.RECYCLE_SECONDS)
        needs_tls = bool(options.get("ssl"))
        if not needs_tls and "ssl" not in options:
            # Nobody listens on the way through a socket of the same machine.
            tls = self._address.tls or Tls(
                "DISABLED" if options.get("unix_socket") else "PREFERRED"
            )
            options["ssl"] = tls.context()
            needs_tls = tls.mode not in ("DISABLED", "PREFERRED")

        async def make() -> Any:
            return await connections.connect(options, needs_tls=needs_tls, seconds=self._seconds)

        return OwnPool(make, self._limit, recycle)

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
        self._is_strict = "STRICT_" in modes or "TRADITIONAL" in modes
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
        if isinstance(self._pool, OwnPool):
            self._pool.abandon()
        self._forget()

    def _forget(self) -> None:
        self._pool = None

    async def _recover(self) -> None:
        # A restart of the server breaks all idle connections, and the second try must not get
        # another one of them. A pool of the user's looks for broken ones by itself.
        if isinstance(self._pool, OwnPool):
            self._pool.expire()

    async def _ping(self) -> None:
        await self._fetch("SELECT 1", ())

    def _verdict(self, error: Exception) -> Verdict:
        return errors.verdict_of(error)

    def _describe(self, error: Exception) -> str:
        return errors.describe(error)

    def _scrub(self, error: Exception) -> None:
        errors.scrub(error)


_SETTINGS: Final = (
    "SELECT 1, DATABASE(), @@sql_mode, (SELECT GROUP_CONCAT(COLLATION_NAME) "
    "FROM information_schema.COLLATIONS WHERE COLLATION_NAME IN ({})), "
    "CONCAT_WS(' ', @@character_set_client, @@character_set_connection, "
    "@@character_set_results), @@max_allowed_packet"
).format(", ".join(map(literal, EXACT_COLLATIONS)))


@hides_arguments
def open_url(url: str, **options: Unpack[MySQLOptions]) -> MySQLSessionStorage:
    """Make the storage for ``mysql://...``."""
    return MySQLSessionStorage(url, **options)
