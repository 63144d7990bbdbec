"""Addresses: what a URL says, checked by the constructor, so that a wrong one fails at once."""

import inspect
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote, urlencode, urlsplit, urlunsplit

import asyncpg
from shopify_session_storage import UrlParameters, normal_scheme

_FORM: Final = "a PostgreSQL URL is postgresql://user:password@host:port/database"

# What asyncpg itself reads from a URL.
_OF_ASYNCPG: Final = (
    "user",
    "password",
    "passfile",
    "service",
    "sslcert",
    "sslkey",
    "sslpassword",
    "sslcrl",
    "sslnegotiation",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
    "target_session_attrs",
    "krbsrvname",
    "gsslib",
)

# What goes to the server as a setting of the session.
_SETTINGS: Final = (
    "application_name",
    "options",
    "search_path",
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "tcp_keepalives_idle",
    "timezone",
    "TimeZone",
    "jit",
)

# What others write into URLs, and what means nothing here.
_PASSED_OVER: Final = (
    # of libpq
    "client_encoding", "fallback_application_name", "hostaddr", "keepalives", "keepalives_idle",
    "keepalives_interval", "keepalives_count", "tcp_user_timeout", "gssencmode", "gssdelegation",
    "channel_binding", "require_auth", "requirepeer", "requiressl", "sslcompression", "sslsni",
    "sslcertmode", "sslcrldir", "sslkeylogfile", "load_balance_hosts", "min_protocol_version",
    "max_protocol_version",
    # of Prisma: its pool's; whether there is a pooler is noticed at the start
    "pgbouncer", "pool_timeout", "socket_timeout", "max_connection_lifetime",
    "max_idle_connection_lifetime", "single_use_connections",
    # of node-postgres, and of hosts
    "uselibpqcompat", "supa", "workaround",
)  # fmt: skip

_SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SSL_FLAGS: Final = {"true": "require", "1": "require", "false": "disable", "0": "disable"}
_TARGETS: Final = ("any", "primary", "standby", "prefer-standby", "read-write", "read-only")


@dataclass(frozen=True)
class Address:
    """What a URL says.

    Attributes:
        dsn: The URL for asyncpg, with the parameters that it knows.
        where: Hosts and database, for people.
        schema: The schema of the tables.
        layout: Whose table it is; None if the URL does not say.
        pool_options: Options of ``asyncpg.create_pool()``.
    """

    dsn: str = field(repr=False)
    where: str
    schema: str | None
    layout: str | None
    pool_options: dict[str, Any] = field(repr=False)


def read_address(url: str) -> Address:
    """Read a URL.

    Raises:
        TypeError: If it is no str.
        ValueError: If it cannot be used. The message shows no part of it but a parameter's name.
    """
    if not isinstance(url, str):
        raise TypeError(f"url must be a str or an asyncpg.Pool, not {type(url).__name__}")
    try:
        parts = urlsplit(normal_scheme(url))
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in ("postgresql", "postgres"):
        raise ValueError(_FORM)
    _check_escapes(parts.netloc, parts.path, parts.query, parts.fragment)
    hosts = parts.netloc.rpartition("@")[2]
    _check_hosts(hosts)
    parameters = UrlParameters("PostgreSQL", parts.query)
    passed_on, options = _read_parameters(parameters)
    schema = parameters.text("schema", "currentSchema")
    layout = parameters.text("layout")
    parameters.finish()
    database = parts.path if len(parts.path) > 1 else f"/{passed_on.get('dbname', '')}"
    where = ",".join(_without_port(one) for one in (hosts or passed_on.get("host", "")).split(","))
    return Address(
        dsn=urlunsplit(parts._replace(query=urlencode(passed_on))),
        where=where + database,
        schema=schema,
        layout=layout,
        pool_options=options,
    )


def checked_options(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the options of a pool, all of which asyncpg knows.

    Raises:
        TypeError: If they are no mapping.
        ValueError: If one is unknown. The message shows no value.
    """
    if not isinstance(options, Mapping):
        raise TypeError(f"pool_options must be a mapping, not {type(options).__name__}")
    known = {
        name
        for function in (asyncpg.create_pool, asyncpg.connect)
        for name in inspect.signature(function).parameters
    } - {"dsn", "connect_kwargs"}
    unknown = sorted(map(str, options.keys() - known))
    if unknown:
        raise ValueError(
            f"unknown pool option {unknown[0]!r}; known are: {', '.join(sorted(known))}"
        )
    return options


def combined(*options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of a pool; later ones count, and settings of the server add up."""
    result = {name: value for one in options for name, value in one.items()}
    settings = [one["server_settings"] for one in options if one.get("server_settings")]
    if settings:
        result["server_settings"] = {name: v for one in settings for name, v in one.items()}
    return result


def _check_escapes(netloc: str, path: str, query: str, fragment: str) -> None:
    """Refuse what looks like a password that was pasted as it is, before it is taken for more."""
    if fragment or netloc.count("@") > 1 or "@" in path or (netloc and "@" in query):
        raise ValueError(
            f"{_FORM}; escape characters such as / ? # @ in user and password, "
            "or use with_credentials()"
        )


def _check_hosts(hosts: str) -> None:
    for host in hosts.split(",") if hosts else ():
        match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+(%25\w+)?\]|[^\[\]:@]+)?(:([0-9]*))?", host)
        if match is None or not match[1] or (match[4] and not 0 < int(match[4]) < 65536):
            raise ValueError(f"{_FORM}; or host:port,host:port. One of the hosts is malformed")


def _without_port(host: str) -> str:
    return unquote(re.sub(r":[0-9]*$", "", host))


def _read_parameters(parameters: UrlParameters) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the parameters that asyncpg reads from a URL, and options for its pool."""
    passed_on = {name: parameters.text(name) for name in _OF_ASYNCPG}
    passed_on["host"] = parameters.text("host")
    passed_on["port"] = _ports(parameters.text("port"))
    passed_on["dbname"] = parameters.text("dbname", "database")
    target = passed_on["target_session_attrs"]
    if target is not None and target not in _TARGETS:
        raise _not_one_of("target_session_attrs", _TARGETS)
    options: dict[str, Any] = {}
    _read_tls(parameters, passed_on, options)
    settings = {name: parameters.text(name) for name in _SETTINGS}
    if given := {name: value for name, value in settings.items() if value}:
        options["server_settings"] = given
    if (seconds := parameters.seconds("connect_timeout")) is not None:
        options["timeout"] = seconds or None  # 0 means no limit to libpq and to Prisma
    if (size := parameters.number("connection_limit")) is not None:
        options["max_size"] = max(1, size)
    if file := parameters.text("servicefile"):  # which asyncpg does not read from a URL
        options["servicefile"] = file
    cache = parameters.number("statement_cache_size", "prepared_statement_cache_size")
    if cache is not None:
        options["statement_cache_size"] = cache
    parameters.accept(*_PASSED_OVER)
    return {name: value for name, value in passed_on.items() if value}, options


def _read_tls(
    parameters: UrlParameters, passed_on: dict[str, str | None], options: dict[str, Any]
) -> None:
    mode, root = parameters.text("sslmode"), parameters.text("sslrootcert")
    if mode is None and (flag := parameters.text("ssl", "tls")) is not None:
        mode = _SSL_FLAGS.get(flag.lower(), flag)
    if mode == "no-verify":  # node-postgres
        mode = "require"
    if mode is not None and mode not in _SSL_MODES:
        raise _not_one_of("sslmode", _SSL_MODES)
    accept = parameters.text("sslaccept")  # Prisma
    if accept not in (None, "strict", "accept_invalid_certs"):
        raise _not_one_of("sslaccept", ("strict", "accept_invalid_certs"))
    if mode != "disable" and root in (None, "system") and (accept == "strict" or root == "system"):
        # The authorities that the system trusts, and the host's name: asyncpg has no word for it.
        options["ssl"] = ssl.create_default_context()
        mode = root = None
    elif accept == "strict" and mode != "disable":
        mode = "verify-full"
    passed_on["sslmode"], passed_on["sslrootcert"] = mode, root


def _ports(text: str | None) -> str | None:
    if text is not None and not all(
        one.isascii() and one.isdigit() and 0 < int(one) < 65536 for one in text.split(",")
    ):
        raise ValueError(
            "the parameter 'port' of the PostgreSQL URL must be one port for each host"
        )
    return text


def _not_one_of(name: str, values: tuple[str, ...]) -> ValueError:
    return ValueError(
        f"the parameter {name!r} of the PostgreSQL URL must be one of {', '.join(values)}"
    )
