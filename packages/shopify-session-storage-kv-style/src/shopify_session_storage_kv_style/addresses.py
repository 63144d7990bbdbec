"""Where a namespace is: URLs."""

import os
from typing import Final
from urllib.parse import unquote, urlsplit

from shopify_session_storage import UrlParameters

from shopify_session_storage_kv_style.cloudflare import API, CloudflareKVNamespace

_FORM: Final = (
    "a Workers KV URL is cloudflare-kv://account_id/namespace_id, with ?base_url= at most"
)


def namespace_at(url: str) -> CloudflareKVNamespace:
    """Make the namespace for ``cloudflare-kv://account_id/namespace_id``.

    The API token is taken from the environment variable ``CLOUDFLARE_API_TOKEN``. The URL may
    have ``?base_url=``, for another address of the API.

    Raises:
        ValueError: If the URL is not of that form, or the variable is missing.
        ImportError: If httpx is not installed.
    """
    # Messages show no part of the URL, in case it holds a token.
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(_FORM) from None
    account_id, namespace_id = unquote(parts.netloc), unquote(parts.path).strip("/")
    if not account_id or not namespace_id or "/" in namespace_id or parts.fragment:
        raise ValueError(_FORM)
    parameters = UrlParameters("Workers KV", parts.query)
    base_url = parameters.text("base_url") or API
    parameters.finish()
    api_token = os.environ.get("CLOUDFLARE_API_TOKEN")
    if "@" in account_id or ":" in account_id or not api_token:
        raise ValueError("the API token is taken from the environment: CLOUDFLARE_API_TOKEN")
    return CloudflareKVNamespace(account_id, namespace_id, api_token, base_url=base_url)
