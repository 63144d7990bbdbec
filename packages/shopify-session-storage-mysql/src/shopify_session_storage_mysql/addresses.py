"""Where the server is, and how to encrypt what is said to it."""

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

_POOL_OPTIONS: Final = frozenset({
    "auth_plugin", "client_flag", "connect_timeout", "init_command", "pool_recycle",
    "program_name", "server_public_key", "ssl", "unix_socket",
})  # fmt: skip
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


def checked_options(options: Mapping[str, Any], tls: Tls | None) -> dict[str, Any]:
    """Return a copy of the *options* of a pool.

    Raises:
        TypeError: If one is of another type.
        ValueError: If one is unknown, or contradicts the URL.
    """
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
    if "ssl" in options and tls is not None:
        raise ValueError("TLS is either a matter of the URL or of the pool option ssl, not of both")
    return dict(options)
