"""A Shopify app in FastAPI.

Run it: uvicorn fastapi_app:app
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from html import escape
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from shopify_app import RequestInput, ShopifyApp
from shopify_session_storage import open_session_storage
from shopify_session_storage.access_tokens import AccessTokenError, AccessTokenStore

PATCH_ID_TOKEN_PATH = "/auth/patch-id-token"

shopify = ShopifyApp(os.environ["SHOPIFY_API_KEY"], os.environ["SHOPIFY_API_SECRET"])
storage = open_session_storage(os.environ["DATABASE_URL"], on_error="raise")
tokens = AccessTokenStore(storage, app=shopify)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Connect on the event loop that serves the requests: connections belong to one."""
    async with storage, tokens:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/app")
async def home(request: Request) -> Response:
    """Greet the shop of a merchant who opens the app in the admin."""
    verified = shopify.verify_app_home_req(
        await as_shopify_wants_it(request), app_home_patch_id_token_path=PATCH_ID_TOKEN_PATH
    )
    token = await tokens.get_or_exchange(verified)
    result = await ask("{ shop { name } }", token, verified)
    if result.log.code == "unauthorized":  # Shopify takes the token no more: say which one
        token = await tokens.get_or_exchange(verified, refused=token)
        result = await ask("{ shop { name } }", token, verified)
    if not result.ok:
        return answer(result.response)
    name = escape(result.data["shop"]["name"])
    return HTMLResponse(f"Hello {name}", headers=verified.response.headers)


@app.exception_handler(AccessTokenError)
async def no_token(_: Request, error: AccessTokenError) -> Response:
    """Answer as Shopify's package says, also to a request that is not verified."""
    return answer(error.response) if error.response else Response(status_code=503)


@app.get(PATCH_ID_TOKEN_PATH)
async def patch_id_token(request: Request) -> Response:
    """Give the browser the page that fetches an ID token."""
    return answer(shopify.app_home_patch_id_token(await as_shopify_wants_it(request)).response)


@app.post("/webhooks/app/uninstalled")
async def uninstalled(request: Request) -> Response:
    """Forget a shop. The webhook may come late: a newer install stays."""
    verified = shopify.verify_webhook_req(await as_shopify_wants_it(request))
    if verified.ok and verified.shop:
        when = datetime.fromisoformat(request.headers["X-Shopify-Triggered-At"])
        await tokens.delete_shop(verified.shop, installed_before=when)
    return answer(verified.response)


async def ask(query: str, token: Any, verified: Any) -> Any:
    """Ask the Admin API."""
    return await shopify.admin_graphql_request_async(
        query,
        shop=token.shop,
        access_token=token.token,
        api_version="2026-07",
        invalid_token_response=verified.invalid_token_response,
    )


async def as_shopify_wants_it(request: Request) -> RequestInput:
    """Return a request unchanged, or signatures do not match."""
    return {
        "method": request.method,
        "headers": dict(request.headers),
        "url": str(request.url),
        "body": (await request.body()).decode(errors="replace"),
    }


def answer(response: Any) -> Response:
    """Return an answer of Shopify's package as one of FastAPI."""
    return Response(response.body, response.status, response.headers)
