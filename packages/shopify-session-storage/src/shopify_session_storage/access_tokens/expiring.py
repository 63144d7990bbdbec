"""The one request that Shopify's package has no call for: an expiring token for one that is not."""

from typing import Any, Final

from shopify_session_storage.access_tokens.arguments import field
from shopify_session_storage.access_tokens.code_grant import from_answer

_OFFLINE_TOKEN: Final = "urn:shopify:params:oauth:token-type:offline-access-token"  # noqa: S105
_HEADERS: Final = {"Accept": "application/json"}


def request_body(config: object, access_token: str | None) -> dict[str, Any]:
    """Return what to ask: an expiring token in place of *access_token*."""
    return {
        "client_id": field(config, "client_id"),
        "client_secret": field(config, "client_secret"),
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": access_token,
        "subject_token_type": _OFFLINE_TOKEN,
        "requested_token_type": _OFFLINE_TOKEN,
        "expiring": "1",
    }


async def post(shop: str, body: dict[str, Any], http_client: Any = None) -> dict[str, Any]:
    """Ask the token endpoint of *shop*, and return a result in the shape of Shopify's package."""
    if http_client is None:
        import httpx  # Shopify's package needs it, too

        async with httpx.AsyncClient() as client:
            return await post(shop, body, client)
    return _read(shop, await http_client.post(_url(shop), json=body, headers=_HEADERS))


def post_sync(shop: str, body: dict[str, Any], http_client: Any) -> dict[str, Any]:
    """Do as :func:`post`, with a sync client."""
    return _read(shop, http_client.post(_url(shop), json=body, headers=_HEADERS))


def _url(shop: str) -> str:
    return f"https://{shop}/admin/oauth/access_token"


def _read(shop: str, answer: Any) -> dict[str, Any]:
    """Return an HTTP answer as a result in the shape of Shopify's package."""
    result: dict[str, Any] = {
        "ok": answer.status_code == 200,
        "http_logs": [{"res": {"status": answer.status_code, "headers": answer.headers}}],
    }
    if not result["ok"]:
        try:
            code = answer.json().get("error", "unknown_error")
        except (ValueError, AttributeError):
            code = "unknown_error"
        return result | {"log": {"code": code}}
    result["access_token"] = from_answer({"access_token": None} | answer.json(), shop)
    return result
