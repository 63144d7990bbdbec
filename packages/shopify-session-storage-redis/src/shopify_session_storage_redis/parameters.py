"""The parameters of a Redis URL: redis-py's own, and those of other clients that hosts hand out."""

import ssl
from typing import Any, Final

from shopify_session_storage import UrlParameters

_TEXTS: Final = (
    "username", "password", "client_name", "ssl_ca_certs", "ssl_ca_path",
    "ssl_ca_data", "ssl_certfile", "ssl_keyfile", "ssl_password", "ssl_ciphers",
)  # fmt: skip
_FLAGS: Final = ("socket_keepalive", "retry_on_timeout", "ssl_check_hostname")
_SECONDS: Final = ("socket_timeout", "socket_connect_timeout")
_NUMBERS: Final = ("db", "max_connections", "health_check_interval", "socket_read_size")

# What an answer is decoded with makes no difference here; nor do the habits of ioredis.
_WITHOUT_EFFECT: Final = (
    "encoding", "encoding_errors", "decode_responses", "legacy_responses", "lib_name",
    "lib_version", "autoResubscribe", "autoResendUnfulfilledCommands", "enableAutoPipelining",
    "enableOfflineQueue", "enableReadyCheck", "lazyConnect", "maxRetriesPerRequest", "noDelay",
    "offlineQueue", "showFriendlyErrorStack",
)  # fmt: skip

_VERIFICATION: Final = {"none": "none", "optional": "optional", "required": "required"}
_TLS_VERSIONS: Final = {
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
    str(int(ssl.TLSVersion.TLSv1_2)): ssl.TLSVersion.TLSv1_2,
    str(int(ssl.TLSVersion.TLSv1_3)): ssl.TLSVersion.TLSv1_3,
}


def read_parameters(given: UrlParameters) -> dict[str, Any]:
    """Return the options of redis-py's client that a URL asks for.

    Returns:
        The options; and ``tls``, if the URL asks for TLS in another way than by its scheme.

    Raises:
        ValueError: If a parameter is not known, or has a value that it cannot have.
    """
    options: dict[str, Any] = {name: given.text(name) for name in _TEXTS}
    options |= {name: given.flag(name) for name in _FLAGS}
    options |= {name: given.seconds(name) for name in _SECONDS}
    options |= {name: given.number(name) for name in _NUMBERS}
    _read_names_of_ioredis(given, options)
    verification = given.text("ssl_cert_reqs")
    if verification is not None:
        word = verification.lower().removeprefix("cert_")
        options["ssl_cert_reqs"] = _one_of("ssl_cert_reqs", word, _VERIFICATION)
    version = given.text("ssl_min_version")
    if version is not None:
        options["ssl_min_version"] = _one_of("ssl_min_version", version, _TLS_VERSIONS)
    protocol = given.text("protocol")
    if protocol is not None:
        options["protocol"] = _one_of("protocol", protocol, {"2": 2, "3": 3})
    family = given.text("family")
    if family is not None:  # every address of the host is tried, of either family
        _one_of("family", family, {"0": 0, "4": 4, "6": 6})
    given.seconds("timeout")  # for a connection of the pool; a call's own limit is for all of it
    options["tls"] = given.flag("ssl", "tls") or None
    given.accept(*_WITHOUT_EFFECT)
    given.finish()
    return {name: value for name, value in options.items() if value is not None}


def _read_names_of_ioredis(given: UrlParameters, options: dict[str, Any]) -> None:
    for name, ours in (("connectTimeout", _SECONDS[1]), ("commandTimeout", _SECONDS[0])):
        milliseconds = given.number(name)
        if milliseconds is not None and options[ours] is None:
            options[ours] = milliseconds / 1000
    if (milliseconds := given.number("keepAlive")) is not None:
        options["socket_keepalive"] = milliseconds > 0
    client_name = given.text("connectionName")
    options["client_name"] = options["client_name"] or client_name


def _one_of(name: str, value: str, known: dict[str, Any]) -> Any:
    if value not in known:
        words = ", ".join(known)
        raise ValueError(f"the parameter {name!r} of the Redis URL must be one of: {words}")
    return known[value]
