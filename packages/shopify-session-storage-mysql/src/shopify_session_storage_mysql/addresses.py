"""Where the server is, read from a URL with the parameters of many programs."""

import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from shopify_session_storage import UrlParameters, normal_scheme

from shopify_session_storage_mysql.tls import MODES, Tls, stated_mode

_POOL_OPTIONS: Final = frozenset({
    "auth_plugin", "client_flag", "connect_timeout", "init_command", "password", "pool_recycle",
    "program_name", "server_public_key", "ssl", "unix_socket",
})  # fmt: skip

# What other drivers and hosts put into URLs, and means nothing here: how long to wait for a place
# in a pool, how to print dates, which character set to speak (always utf8mb4), and so on.
_MEANINGLESS: Final = (
    # Prisma
    "pool_timeout", "statement_cache_size",
    # Node's mysql and mysql2
    "waitForConnections", "queueLimit", "maxIdle", "idleTimeout", "enableKeepAlive",
    "keepAliveInitialDelay", "multipleStatements", "dateStrings", "supportBigNumbers",
    "bigNumberStrings", "decimalNumbers", "timezone", "debug",
    # JDBC
    "serverTimezone", "connectionTimeZone", "useUnicode", "useLegacyDatetimeCode", "autoReconnect",
    "allowPublicKeyRetrieval", "zeroDateTimeBehavior", "useServerPrepStmts", "cachePrepStmts",
    "rewriteBatchedStatements", "tinyInt1isBit", "allowMultiQueries", "enabledTLSProtocols",
    "tlsVersions", "noAccessToProcedureBodies", "nullCatalogMeansCurrent",
    # Rails, SQLAlchemy, Django, Go
    "adapter", "reconnect", "collation", "prepared_statements", "pool_pre_ping",
    "max_overflow", "conn_max_age", "autocommit", "use_unicode", "parseTime", "loc",
    "interpolateParams", "allowNativePasswords",
)  # fmt: skip


@dataclass(frozen=True)
class Address:
    """What a URL says.

    Attributes:
        options: Options of ``aiomysql.connect()``.
        tls: How to encrypt; None if it does not say.
        limit: How many connections there may be; None if it does not say.
        seconds: How long a statement may take; None if it does not say.
        layout: Whose table it is; None if it does not say.
    """

    options: dict[str, Any] = field(repr=False)  # the password is one
    tls: Tls | None = None
    limit: int | None = None
    seconds: float | None = None
    layout: str | None = None


def parse_url(url: str) -> Address:
    """Read a URL.

    Raises:
        ValueError: If it is not usable. The message shows no part that may be secret.
    """
    try:
        parts = urlsplit(normal_scheme(url))
        port = parts.port
        user, password, host, database = (
            unquote(part or "", errors="strict")
            for part in (parts.username, parts.password, parts.hostname, parts.path[1:])
        )
    except ValueError:
        raise ValueError("the MySQL URL is malformed") from None
    escaped = parts.path[1:]
    if parts.scheme != "mysql" or port == 0 or parts.fragment or {"/", "@", ":"} & {*escaped}:
        raise ValueError(
            "a MySQL URL is mysql://user:password@host:port/database; "
            "with_credentials() takes parts that would need escaping"
        )
    if "," in host:
        raise ValueError("the MySQL URL must name one host")
    if not database or not user:
        raise ValueError("the MySQL URL must name a user and a database")
    options: dict[str, Any] = {
        "host": host or "localhost",
        "port": port or 3306,
        "user": user,
        "password": password,
        "db": database,
    }
    if host.startswith("/"):
        options |= {"host": "localhost", "unix_socket": host}
    return _with_parameters(options, parts.query)


def _with_parameters(options: dict[str, Any], query: str) -> Address:
    parameters = UrlParameters("MySQL", query)
    tls = _tls(parameters)
    given = {
        "connect_timeout": _seconds(parameters, "connect_timeout", "connectTimeout"),
        "pool_recycle": parameters.number("pool_recycle"),
        "unix_socket": parameters.text("unix_socket", "socket", "unixSocket", "socketPath"),
        "init_command": parameters.text("init_command"),
        "program_name": parameters.text("program_name"),
        "auth_plugin": parameters.text("auth_plugin", "default_auth"),
    }
    options |= {name: value for name, value in given.items() if value}
    for name in ("charset", "encoding", "characterEncoding"):
        charset = parameters.text(name)
        if charset is not None and not charset.lower().replace("-", "").startswith("utf8"):
            raise ValueError(f"the parameter {name!r} of the MySQL URL must be utf8mb4")
    limit = parameters.number(
        "connection_limit", "connectionLimit", "maxPoolSize", "pool_size", "pool"
    )
    if limit == 0:
        raise ValueError("the connection limit of the MySQL URL must be at least 1")
    seconds = _seconds(parameters, "socket_timeout", "socketTimeout")
    for name in ("read_timeout", "readTimeout", "write_timeout", "writeTimeout"):
        seconds = parameters.seconds(name) or seconds
    parameters.accept(*_MEANINGLESS)
    layout = parameters.text("layout")
    parameters.finish()
    return Address(options, tls, limit, seconds or None, layout)


def _seconds(parameters: UrlParameters, name: str, name_in_milliseconds: str) -> float | None:
    """Return a time in seconds. JDBC and Node write thousandths, under names of their spelling."""
    milliseconds = parameters.number(name_in_milliseconds)
    seconds = parameters.seconds(name)
    return seconds if seconds is not None or milliseconds is None else milliseconds / 1000


def _tls(parameters: UrlParameters) -> Tls | None:
    """Return what the parameters say of TLS, in the words of many programs; None for nothing.

    If several speak of it, the strictest counts.
    """
    said: list[str] = []
    for names, mode_of in _TLS_WORDS:
        value = parameters.text(*names)
        if value is not None:
            mode = mode_of(value)
            if mode is None:
                raise ValueError(f"the parameter {names[0]!r} of the MySQL URL has no such value")
            if mode:  # not if it only says what need not be
                said.append(mode)
    # Prisma's sslcert is the authority's; those that MySQL's clients spell with a hyphen are one's
    # own.
    authority = parameters.text("ssl-ca", "ssl_ca", "sslCa", "sslca", "sslrootcert", "sslcert")
    certificate = parameters.text("ssl-cert", "ssl_cert", "sslCert")
    key = parameters.text("ssl-key", "ssl_key", "sslKey", "sslkey")
    if not (said or authority or certificate or key):
        return None
    mode = max(said, key=MODES.index) if said else "VERIFY_CA" if authority else "PREFERRED"
    return Tls(mode, authority or None, certificate or None, key or None)


def _of_json(value: str) -> str | None:
    """Read Node's ``ssl``: a JSON object, or a word."""
    if not value.startswith("{"):
        return _flag("REQUIRED", "DISABLED")(value)
    try:
        options = json.loads(value)
    except ValueError:
        return None
    if not isinstance(options, dict) or options.keys() - {"rejectUnauthorized"}:
        return None
    return "REQUIRED" if options.get("rejectUnauthorized") is False else "VERIFY_IDENTITY"


def _flag(yes: str, no: str) -> Callable[[str], str | None]:
    words = {**dict.fromkeys(("true", "1", "yes", "on"), yes),
             **dict.fromkeys(("false", "0", "no", "off"), no)}  # fmt: skip
    return lambda value: words.get(value.lower())


_TLS_WORDS: Final[tuple[tuple[tuple[str, ...], Callable[[str], str | None]], ...]] = (
    (("ssl-mode", "ssl_mode", "sslMode", "sslmode", "sslMODE"), stated_mode),
    (("sslaccept",), {"strict": "VERIFY_IDENTITY", "accept_invalid_certs": "REQUIRED"}.get),
    (("ssl",), _of_json),
    (("tls",), lambda value: {"skip-verify": "REQUIRED", "preferred": "PREFERRED"}.get(value)
        or _flag("VERIFY_IDENTITY", "DISABLED")(value)),
    (("useSSL",), _flag("PREFERRED", "DISABLED")),
    (("requireSSL",), _flag("REQUIRED", "")),
    (("verifyServerCertificate", "ssl_verify_cert", "sslverify"), _flag("VERIFY_CA", "")),
    (("ssl_verify_identity", "ssl_check_hostname"), _flag("VERIFY_IDENTITY", "")),
    (("ssl_disabled",), _flag("DISABLED", "")),
)  # fmt: skip


def checked_options(options: Mapping[str, Any], tls: Tls | None) -> dict[str, Any]:
    """Return a copy of the *options* of a pool.

    Raises:
        TypeError: If one is of another type.
        ValueError: If one is unknown, or contradicts the URL.
    """
    if not isinstance(options, Mapping):
        raise TypeError(f"pool_options must be a mapping, not {type(options).__name__}")
    unknown = sorted(options.keys() - _POOL_OPTIONS)
    if unknown:
        raise ValueError(
            f"unknown pool option {unknown[0]!r}; known are: {', '.join(sorted(_POOL_OPTIONS))}"
        )
    context = options.get("ssl")
    if context is not None and not isinstance(context, ssl.SSLContext):
        raise TypeError(
            f"the pool option ssl must be an ssl.SSLContext, not {type(context).__name__}"
        )
    password = options.get("password", "")
    if not isinstance(password, str) and not callable(password):
        raise TypeError(
            "the pool option password must be a str or a callable that makes one, "
            f"not {type(password).__name__}"
        )
    if "ssl" in options and tls is not None:
        raise ValueError("set TLS in the URL or by the pool option ssl, not both")
    return dict(options)
