"""A Shopify app in Flask.

Run it: flask --app flask_app run
or:     gunicorn --preload --workers 2 --threads 8 flask_app:app
"""

import os
from datetime import datetime
from html import escape
from typing import Any

from flask import Flask, Response, request
from shopify_app import RequestInput, ShopifyApp
from shopify_session_storage import open_session_storage
from shopify_session_storage.access_tokens import AccessTokenError
from shopify_session_storage.sync import SyncAccessTokenStore, SyncSessionStorage

PATCH_ID_TOKEN_PATH = "/auth/patch-id-token"

shopify = ShopifyApp(os.environ["SHOPIFY_API_KEY"], os.environ["SHOPIFY_API_SECRET"])
# One for all threads, whose calls travel together. It opens on first use, so a worker that is
# forked from this module has connections of its own.
storage = SyncSessionStorage(open_session_storage(os.environ["DATABASE_URL"], on_error="raise"))
tokens = SyncAccessTokenStore(storage, app=shopify)

app = Flask(__name__)


@app.get("/app")
def home() -> Response:
    """Greet the shop of a merchant who opens the app in the admin."""
    verified = shopify.verify_app_home_req(
        as_shopify_wants_it(), app_home_patch_id_token_path=PATCH_ID_TOKEN_PATH
    )
    token = tokens.get_or_exchange(verified)
    result = ask("{ shop { name } }", token, verified)
    if result.log.code == "unauthorized":  # Shopify takes the token no more: say which one
        token = tokens.get_or_exchange(verified, refused=token)
        result = ask("{ shop { name } }", token, verified)
    if not result.ok:
        return answer(result.response)
    name = escape(result.data["shop"]["name"])
    return Response(f"Hello {name}", headers=verified.response.headers, mimetype="text/html")


@app.errorhandler(AccessTokenError)
def no_token(error: AccessTokenError) -> Response:
    """Answer as Shopify's package says, also to a request that is not verified."""
    return answer(error.response) if error.response else Response(status=503)


@app.get(PATCH_ID_TOKEN_PATH)
def patch_id_token() -> Response:
    """Give the browser the page that fetches an ID token."""
    return answer(shopify.app_home_patch_id_token(as_shopify_wants_it()).response)


@app.post("/webhooks/app/uninstalled")
def uninstalled() -> Response:
    """Forget a shop. The webhook may come late: a newer install stays."""
    verified = shopify.verify_webhook_req(as_shopify_wants_it())
    if verified.ok and verified.shop:
        when = datetime.fromisoformat(request.headers["X-Shopify-Triggered-At"])
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


def as_shopify_wants_it() -> RequestInput:
    """Return the request unchanged, or signatures do not match."""
    return {
        "method": request.method,
        "headers": dict(request.headers),
        "url": request.url,
        "body": request.get_data(as_text=True),
    }


def answer(response: Any) -> Response:
    """Return an answer of Shopify's package as one of Flask."""
    return Response(response.body, response.status, response.headers)
