"""Connections to MySQL and MariaDB: addresses, TLS, pools, and how one statement is run.

aiomysql has no types, and some habits that sessions cannot live with; both end in this module.
"""

import asyncio
import ssl
import struct
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import aiomysql
from aiomysql.connection import CLIENT, FIELD_TYPE

_CONNECT_SECONDS: Final = 15.0
_QUIT_SECONDS: Final = 1.0

# What is idle for longer may have been forgotten by a router on the way, which nobody tells us.
RECYCLE_SECONDS: Final = 180.0

# Every mode that changes what a literal means is off, and what does not fit is an error.
_SET_UP_SESSION: Final = (
    "SET character_set_client = utf8mb4, character_set_connection = utf8mb4, "
    "character_set_results = utf8mb4, sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'"
)

# In place of those of a user's pool. Sessions come as JSON; these are for all other queries.
_DECODERS: Final[Mapping[int, Callable[[str], object]]] = {
    FIELD_TYPE.TINY: int,
    FIELD_TYPE.SHORT: int,
    FIELD_TYPE.INT24: int,
    FIELD_TYPE.LONG: int,
    FIELD_TYPE.LONGLONG: int,
}

# --- errors ---------------------------------------------------------------------------------------


class NoConnectionError(aiomysql.OperationalError):  # type: ignore[misc]  # aiomysql is untyped
    """There is no connection that works; a new one may."""


class RefusedDataError(aiomysql.DataError):  # type: ignore[misc]
    """The server refused a value."""


class ConflictError(aiomysql.OperationalError):  # type: ignore[misc]
    """Another transaction won; the same statement may succeed now."""


class RaceError(aiomysql.OperationalError):  # type: ignore[misc]
    """Another program has changed the same tables at the same moment."""


# The numbers are the same on MySQL and MariaDB, but those above 1900, which one of them has alone.
_LOST: Final = frozenset({
    1053,  # shutdown in progress
    1152, 1158, 1159, 1160, 1161, 1184,  # aborted connections
    1290, 1836,  # read-only: what was the primary server is no more
    1927, 3169,  # killed
    4031,  # idle for too long
    2002, 2003, 2006, 2012, 2013, 2014, 2027, 2055,  # of the client
})  # fmt: skip
_REFUSED: Final = frozenset({
    1153,  # larger than max_allowed_packet
    1264, 1265, 1292, 1300, 1366, 1406, 1411, 1525, 1690,
    1644, 3819, 4025,  # by a trigger or a constraint
})  # fmt: skip
_CONFLICTS: Final = frozenset({1020, 1213})
DUPLICATE: Final = 1062
_RACES: Final = frozenset({1050, 1060, 1061, 1091, 1412, 1684})
NO_SUCH_TABLE: Final = 1146
TABLE_DENIED: Final = 1142
DENIED: Final = frozenset({1044, TABLE_DENIED, 1143, 1227, 1370})
_WITHOUT_VALUES: Final = (
    _LOST | _CONFLICTS | _RACES | DENIED
    | {1040, 1045, 1049, 1054, 1071, 1114, 1118, 1129, 1130, NO_SUCH_TABLE, 1205, 1251, 1698, 1832,
       1833, 1846, 2026, 2054, 2059, 2061}
)  # fmt: skip


def code_of(error: BaseException | None) -> int | None:
    """Return the number of an error of the server or of aiomysql, if it has one."""
    if isinstance(error, aiomysql.MySQLError) and error.args and isinstance(error.args[0], int):
        return error.args[0]
    return None


def shows_values(error: BaseException) -> bool:
    """Tell whether the text of the server's error may quote what was stored."""
    code = code_of(error)
    return code is not None and code not in _WITHOUT_VALUES


def _classified(error: Exception) -> Exception:
    """Return the error as one whose class says what to do about it.

    The classes of the driver do not: most of the server's errors are an OperationalError.
    """
    code = code_of(error)
    kind: type[Exception]
    if code is None or code < 1000 or code in _LOST:
        kind = NoConnectionError  # without a number of the server's are those of the protocol
    elif code in _REFUSED:
        kind = RefusedDataError
    elif code in _CONFLICTS:
        kind = ConflictError
    elif code in _RACES:
        kind = RaceError
    else:
        return error
    classified = kind(*error.args)
    classified.__cause__ = error.__cause__
    return classified


# --- statements -----------------------------------------------------------------------------------


def literal(value: str | int | None) -> str:
    """Return *value* as SQL that means the same in every sql_mode, and in utf8mb4 alone.

    Whether a backslash escapes depends on the mode, so text that has one is sent as hexadecimal.
    """
    if isinstance(value, str):
        if "\\" in value:
            return f"_utf8mb4 X'{value.encode().hex()}'"
        return f"'{value}'" if "'" not in value else "'" + value.replace("'", "''") + "'"
    return "NULL" if value is None else str(int(value))


async def run(connection: Any, sql: str) -> Sequence[Sequence[Any]]:
    """Run one statement in a transaction of its own and return its rows.

    Raises:
        MySQLError: If it fails.
    """
    rows: Sequence[Sequence[Any]] = (await _run(connection, sql)).rows or ()
    return rows


async def run_for_mark(connection: Any, sql: str) -> int:
    """Run one statement as :func:`run` does, and return what it gave to LAST_INSERT_ID().

    Returns:
        That number; 0 if it gave none.
    """
    mark: int = (await _run(connection, sql)).insert_id or 0
    return mark


async def _run(connection: Any, sql: str) -> Any:
    """Run one statement and return aiomysql's result of it.

    One round trip; three on a connection that does not commit by itself. Not through a cursor,
    which would ask for warnings in a further one. However it ends but well or with an answer of
    the server, the connection is closed, because the next caller would get the rest of what was
    under way: somebody else's session.
    """
    decoders, connection.decoders = connection.decoders, _DECODERS
    try:
        if connection.get_autocommit():
            await connection.query(sql)
            result = connection._result
        else:
            await connection.rollback()  # ends a snapshot that is older than this call
            await connection.query(sql)
            result = connection._result
            await connection.commit()
        return result
    except aiomysql.MySQLError as error:
        failure = _classified(error)
    except BaseException:
        connection.close()
        raise
    finally:
        connection.decoders = decoders
    # Not inside the handler: the driver's error would become its context, with what it shows.
    if isinstance(failure, NoConnectionError):
        connection.close()
    elif not connection.get_autocommit():
        await _roll_back(connection)
    raise failure


async def _roll_back(connection: Any) -> None:
    try:
        await connection.rollback()
    except aiomysql.MySQLError:
        connection.close()
    except BaseException:
        connection.close()
        raise


# --- addresses ------------------------------------------------------------------------------------

_MODES: Final = ("DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")


@dataclass(frozen=True)
class Tls:
    """How to encrypt connections.

    Attributes:
        mode: One of the modes of MySQL's clients.
        authority: File with the certificates of the authorities to trust; None for the system's.
        certificate: File with the client's certificate.
        key: File with its key; None if the certificate's file has it.
    """

    mode: str = "PREFERRED"
    authority: str | None = None
    certificate: str | None = None
    key: str | None = None

    def context(self) -> ssl.SSLContext | None:
        """Make the context, or None for plain connections.

        Raises:
            OSError: If a file cannot be read.
        """
        if self.mode == "DISABLED":
            return None
        context = ssl.create_default_context(cafile=self.authority)
        context.check_hostname = self.mode == "VERIFY_IDENTITY"
        if not self.mode.startswith("VERIFY"):
            context.verify_mode = ssl.CERT_NONE
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key)
        return context


def parse_url(url: str) -> tuple[dict[str, Any], Tls | None]:
    """Return the options of a connection, and what the URL says of TLS, if anything.

    Raises:
        ValueError: If it is not usable. The message shows no part that may be secret.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        parameters = parse_qsl(parts.query, keep_blank_values=True, errors="strict")
        user, password, host, database = (
            unquote(part or "", errors="strict")
            for part in (parts.username, parts.password, parts.hostname, parts.path[1:])
        )
    except ValueError:
        raise ValueError("the MySQL URL is malformed") from None
    if parts.scheme != "mysql" or port == 0 or parts.fragment:
        raise ValueError(
            "a MySQL URL is mysql://user:password@host:port/database; "
            "with_credentials() takes parts that would need escaping"
        )
    if not database or not user:
        raise ValueError("the MySQL URL must name a user and a database")
    options = {
        "host": host or "localhost",
        "port": port or 3306,
        "user": user,
        "password": password,
        "db": database,
    }
    return options, _tls_of(parameters)


def _tls_of(parameters: Iterable[tuple[str, str]]) -> Tls | None:
    """Return what the parameters of a URL say of TLS; others are passed over, as Node does."""
    found: dict[str, str] = {}
    for name, value in parameters:
        key = name.lower().replace("-", "").replace("_", "")
        if key in ("sslmode", "sslca", "sslcert", "sslkey"):
            found[key.removeprefix("ssl")] = value
        elif "ssl" in key or "tls" in key:
            raise ValueError(
                f"the MySQL URL has a parameter {name!r}; "
                "those for TLS are ssl-mode, ssl-ca, ssl-cert and ssl-key"
            )
    if not found:
        return None
    mode = found.get("mode", "VERIFY_CA" if found.get("ca") else "PREFERRED")
    mode = mode.upper().replace("-", "_")
    if mode not in _MODES:
        raise ValueError(f"ssl-mode must be one of {', '.join(_MODES)}")
    return Tls(mode, found.get("ca") or None, found.get("cert") or None, found.get("key") or None)


# --- connections ----------------------------------------------------------------------------------


class _Connection(aiomysql.Connection):  # type: ignore[misc]
    """A connection of aiomysql that does not send a password in the clear against its orders."""

    def __init__(self, *, needs_tls: bool, **options: Any) -> None:
        # aiomysql encodes passwords in Latin-1, and the server has them in UTF-8.
        options["password"] = options["password"].encode().decode("latin-1")
        super().__init__(**options)
        self._needs_tls = needs_tls
        self.client_flag &= ~CLIENT.MULTI_STATEMENTS

    async def _get_server_information(self) -> None:
        await super()._get_server_information()
        if self._needs_tls and not self.server_capabilities & CLIENT.SSL:
            raise aiomysql.OperationalError(2026, "TLS is required, but the server has none")


async def connect(options: Mapping[str, Any], *, needs_tls: bool) -> Any:
    """Make a connection whose session has all that we rely on.

    Args:
        options: Those of ``aiomysql.connect()``; ``connect_timeout``, in seconds, covers the
            whole way to a usable session.
        needs_tls: Whether to give up before logging in if the server offers no TLS.

    Raises:
        MySQLError: If it cannot be made.
    """
    options = dict(options)
    seconds = options.pop("connect_timeout", None) or _CONNECT_SECONDS
    connection = _Connection(needs_tls=needs_tls, autocommit=True, charset="utf8mb4", **options)
    try:
        async with asyncio.timeout(seconds):
            await connection._connect()
            await run(connection, _SET_UP_SESSION)
    except BaseException as error:
        connection.close()
        if isinstance(error, aiomysql.MySQLError):
            raise _classified(error) from error.__cause__
        if isinstance(error, TimeoutError):
            raise NoConnectionError(2003, f"no answer within {seconds} s") from error
        if isinstance(error, _UNEXPECTED):
            raise aiomysql.OperationalError(2012, f"cannot log in: {error}") from error
        raise
    return connection


# What aiomysql raises without a package that a way to log in needs, or if it is not MySQL at all.
_UNEXPECTED: Final = (RuntimeError, ValueError, LookupError, AssertionError, struct.error)


class OwnPool:
    """A pool that connects when there is need, and keeps connections for as long as they work.

    Not aiomysql's: that one lets nobody have an idle connection while it makes a new one, leaves
    half a connection behind when a caller is cancelled meanwhile, and knows no TLS that must be.

    Args:
        make: Makes a connection.
        limit: How many there may be at once.
        recycle: For how many seconds a connection may be idle before it is closed; for ever if
            negative.
    """

    def __init__(self, make: Callable[[], Awaitable[Any]], limit: int, recycle: float) -> None:
        self._make = make
        self._places = asyncio.Semaphore(limit)
        self._recycle = recycle if recycle >= 0 else float("inf")
        self._idle: deque[tuple[float, Any]] = deque()
        self._generation = 0
        self._loop = asyncio.get_running_loop()

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        """Lend a connection."""
        async with self._places:
            generation = self._generation
            connection = self._take() or await self._make()
            try:
                yield connection
            finally:
                if generation == self._generation and not connection.closed:
                    self._idle.append((self._loop.time(), connection))
                else:
                    connection.close()

    def expire(self) -> None:
        """Close what is idle now, and what is lent as soon as it comes back."""
        self._generation += 1
        while self._idle:
            self._idle.pop()[1].close()

    async def close(self) -> None:
        """Say goodbye on all connections, at a time when none is lent."""
        idle = [connection for _, connection in self._idle]
        self._idle.clear()
        await asyncio.gather(*map(_quit, idle))

    def abandon(self) -> None:
        """Let go of all connections, on an event loop that has ended."""
        for _, connection in self._idle:
            connection._writer = None  # or it would try to close, which needs the loop
        self._idle.clear()

    def _take(self) -> Any:
        """Return the connection that was used last and works, or None."""
        oldest = self._loop.time() - self._recycle
        while self._idle and self._idle[0][0] < oldest:
            self._idle.popleft()[1].close()
        while self._idle:
            connection = self._idle.pop()[1]
            reader = connection._reader
            # MySQL 8 says why it ends a connection, so there may be something to read before.
            if not (connection.closed or reader.eof_received or reader.exception()):
                return connection
            connection.close()
        return None


async def _quit(connection: Any) -> None:
    writer = connection._writer
    with suppress(OSError):
        async with asyncio.timeout(_QUIT_SECONDS):
            try:
                await connection.ensure_closed()
            finally:
                connection.close()
            await writer.wait_closed()


class UsersPool:
    """A pool of the user's, which stays theirs.

    Args:
        pool: An aiomysql pool.
    """

    def __init__(self, pool: aiomysql.Pool) -> None:
        self._pool = pool
        self._tasks: set[asyncio.Future[None]] = set()

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        """Lend a connection."""
        # aiomysql tells one of those who wait that there is a place. It does not when what comes
        # back is closed, and nobody else hears of it when that one is cancelled.
        try:
            connection = await self._pool.acquire()
        except BaseException as error:
            self._finish(asyncio.ensure_future(self._pool._wakeup()))
            if isinstance(error, aiomysql.MySQLError):
                raise _classified(error) from error.__cause__
            raise
        try:
            yield connection
        finally:
            self._finish(self._pool.release(connection))
            if connection.closed:
                self._finish(asyncio.ensure_future(self._pool._wakeup()))

    def _finish(self, task: asyncio.Future[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
