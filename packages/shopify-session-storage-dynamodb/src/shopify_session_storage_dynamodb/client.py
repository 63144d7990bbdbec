"""Clients of DynamoDB: their options, and the URLs that name them."""

import inspect
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import aioboto3
from aiobotocore.config import AioConfig
from botocore.config import Config

# Differs from botocore's own, which waits a minute for an answer. In seconds: a host that does not
# answer is given up before the caller's own request is. Botocore repeats what is lost, throttled
# or failed on the server's side, after a random pause of up to a second, then of up to two.
# Items need no second check, whose errors would show them.
_CONFIG: Final = AioConfig(
    connect_timeout=5,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=50,
    parameter_validation=False,
)

_REGION: Final = re.compile(r"[a-z0-9-]+")
_FLAGS: Final = {"true": True, "false": False}


def checked_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the client, with our configuration. Messages show no value."""
    checked = dict(options)
    inspect.signature(aioboto3.Session.client).bind(None, "dynamodb", **checked)
    config = checked.get("config")
    if config is not None and not isinstance(config, Config):
        raise TypeError(f"config must be a botocore Config, not {type(config).__name__}")
    # Twice, because what a Config of aiobotocore has beyond botocore's stays that of the left one.
    checked["config"] = _CONFIG if config is None else config.merge(_CONFIG).merge(config)
    if checked.get("endpoint_url") is not None:
        _check_endpoint(checked["endpoint_url"])
    return checked


def _check_endpoint(endpoint_url: str) -> None:
    if not isinstance(endpoint_url, str):
        raise TypeError(f"endpoint_url must be a str, not {type(endpoint_url).__name__}")
    try:
        parts = urlsplit(endpoint_url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        usable = usable and "@" not in parts.netloc
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("endpoint_url must be http://host:port or https://host:port")


def storage_options(url: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a storage, those of ``dynamodb://region/table?...`` among them.

    Args:
        url: The URL.
        options: Further options of the storage.

    Raises:
        ValueError: If the URL is malformed or has an unknown parameter; nothing of it is shown.
    """
    options = dict(options)
    try:
        parts = urlsplit(url)
        parameters = parse_qsl(
            parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)
        )
        region, table, port = parts.netloc, unquote(parts.path[1:]), parts.port
    except ValueError:
        raise ValueError("the DynamoDB URL is malformed") from None
    # Messages show no part of the URL, in which there may be credentials all the same.
    if port is not None or parts.fragment or (region and not _REGION.fullmatch(region)):
        raise ValueError("a DynamoDB URL is dynamodb://region/table?endpoint_url=...")
    client_options = dict(options.pop("client_options", None) or {})
    if region:
        client_options["region_name"] = region
    if table:
        options["session_table_name"] = table
    for name, value in parameters:
        if name == "endpoint_url":
            client_options[name] = value
        elif name == "shop_index_name":
            options[name] = value
        elif name == "create_table" and value in _FLAGS:
            options[name] = _FLAGS[value]
        else:
            raise ValueError(
                "the parameters of a DynamoDB URL are endpoint_url, shop_index_name and "
                "create_table=true or false"
            )
    return {**options, "client_options": client_options}
