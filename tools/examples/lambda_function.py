"""A Shopify app in AWS Lambda, behind a function URL or an HTTP API.

The handler is lambda_function.handler.
"""

import base64
import os
from datetime import datetime
from html import escape
from typing import Any

from shopify_app import RequestInput, ShopifyApp
from shopify_session_storage import open_session_storage
from shopify_session_storage.access_tokens import AccessTokenError
from shopify_session_storage.sync import SyncAccessTokenStore, SyncSessionStorage

PATCH_ID_TOKEN_PATH = "/auth/patch-id-token"

shopify = ShopifyApp(os.environ["SHOPIFY_API_KEY"], os.environ["SHOPIFY_API_SECRET"])
# One event loop for the process, which serves many calls. asyncio.run() in each call would
# connect to the database in each call.
storage = SyncSessionStorage(open_session_storage(os.environ["DATABASE_URL"], on_error="raise"))
tokens = SyncAccessTokenStore(storage, app=shopify)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer one request."""
    request = as_shopify_wants_it(event)
    place = request["method"], event["rawPath"]
    try:
        if place == ("GET", "/app"):
            return home(request)
        if place == ("GET", PATCH_ID_TOKEN_PATH):
            return answer(shopify.app_home_patch_id_token(request).response)
        if place == ("POST", "/webhooks/app/uninstalled"):
            return uninstalled(request)
        return {"statusCode": 404}
    except AccessTokenError as error:  # also for a request that is not verified
        return answer(error.response) if error.response else {"statusCode": 503}
    finally:
        # A refresh beside a caller: the process stands still from the answer to the next call.
        tokens.close()


def home(request: RequestInput) -> dict[str, Any]:
    """Greet the shop of a merchant who opens the app in the admin."""
    verified = shopify.verify_app_home_req(
        request, app_home_patch_id_token_path=PATCH_ID_TOKEN_PATH
    )
    token = tokens.get_or_exchange(verified)
    result = ask("{ shop { name } }", token, verified)
    if result.log.code == "unauthorized":  # Shopify takes the token no more: say which one
        token = tokens.get_or_exchange(verified, refused=token)
        result = ask("{ shop { name } }", token, verified)
    if not result.ok:
        return answer(result.response)
    headers = {"Content-Type": "text/html; charset=utf-8", **verified.response.headers}
    body = f"Hello {escape(result.data['shop']['name'])}"
    return {"statusCode": 200, "headers": headers, "body": body}


def uninstalled(request: RequestInput) -> dict[str, Any]:
    """Forget a shop. The webhook may come late: a newer install stays."""
    verified = shopify.verify_webhook_req(request)
    if verified.ok and verified.shop:
        when = datetime.fromisoformat(request["headers"]["x-shopify-triggered-at"])
        tokens.delete_shop(verified.shop, installed_before=when)
    return answer(verified.response)


def ask(query: str, token: Any, verified: Any) -> Any:
    """Ask the Admin API."""
    return shopify.admin_graphql_request(
        query,
        shop=token.shop,
        access_token=token.token,
        api_version="2026-07",
        invalid_token_response=verified.invalid_token_response,
    )


def as_shopify_wants_it(event: dict[str, Any]) -> RequestInput:
    """Return the request of an event, whose headers AWS has put in lower case."""
    context, query = event["requestContext"], event["rawQueryString"]
    body = event.get("body") or ""
    if event.get("isBase64Encoded"):
        body = base64.b64decode(body).decode(errors="replace")
    return {
        "method": context["http"]["method"],
        "headers": event["headers"],
        "url": f"https://{context['domainName']}{event['rawPath']}{'?' if query else ''}{query}",
        "body": body,
    }


def answer(response: Any) -> dict[str, Any]:
    """Return an answer of Shopify's package as Lambda wants it."""
    return {"statusCode": response.status, "headers": response.headers, "body": response.body}
