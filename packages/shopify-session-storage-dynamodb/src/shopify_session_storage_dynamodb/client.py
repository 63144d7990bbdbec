"""Clients of DynamoDB: their options, and the URLs that name them."""

import inspect
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import aioboto3
from aiobotocore.config import AioConfig
from botocore.config import Config
from shopify_session_storage import UrlParameters, normal_scheme

# The share of a call's time that one try of the SDK's may take, of which there are three.
_SHARE: Final = 0.3

_REGION: Final = re.compile(r"[a-z0-9-]+")


def _config(seconds: float) -> AioConfig:
    """Return our settings, for calls that may take so long.

    They differ from botocore's own, which waits a minute for an answer. Botocore repeats what is
    lost, throttled or failed on the server's side, after a random pause of up to a second, then of
    up to two.
    """
    return AioConfig(
        connect_timeout=seconds * _SHARE,
        read_timeout=seconds * _SHARE,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=50,
        parameter_validation=False,  # items need no second check, whose errors would show them
    )


def checked_options(options: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Return the options of the client, with our settings. Messages show no value.

    Args:
        options: Those of the user.
        seconds: How long a call may take.

    Raises:
        TypeError: If there is no such option, or one has another type.
        ValueError: If the endpoint is not usable.
    """
    checked = dict(options)
    inspect.signature(aioboto3.Session.client).bind(None, "dynamodb", **checked)
    config = checked.get("config")
    if config is not None and not isinstance(config, Config):
        raise TypeError(f"config must be a botocore Config, not {type(config).__name__}")
    # Twice, because what a Config of aiobotocore has beyond botocore's stays that of the left one.
    ours = _config(seconds)
    checked["config"] = ours if config is None else config.merge(ours).merge(config)
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
        parts = urlsplit(normal_scheme(url))
        region, table, port = parts.netloc, unquote(parts.path[1:]), parts.port
    except ValueError:
        raise ValueError("the DynamoDB URL is malformed") from None
    # Messages show no part of the URL, in which there may be credentials all the same.
    if port is not None or parts.fragment or (region and not _REGION.fullmatch(region)):
        raise ValueError("a DynamoDB URL is dynamodb://region/table?endpoint_url=...")
    parameters = UrlParameters("DynamoDB", parts.query)
    client_options = dict(options.pop("client_options", None) or {})
    of_client = {"region_name": region, "endpoint_url": parameters.text("endpoint_url")}
    client_options.update({name: value for name, value in of_client.items() if value})
    of_storage = {
        "session_table_name": table or None,
        "shop_index_name": parameters.text("shop_index_name"),
        "create_table": parameters.flag("create_table"),
    }
    parameters.finish()
    options.update({name: value for name, value in of_storage.items() if value is not None})
    return {**options, "client_options": client_options}
