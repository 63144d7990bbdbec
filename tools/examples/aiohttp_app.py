"""A Shopify app in aiohttp; one in Starlette looks like the one in FastAPI.

Run it: python -m aiohttp.web aiohttp_app:create_app
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from html import escape
from typing import Any

from aiohttp import web
from shopify_app import RequestInput, ShopifyApp
from shopify_session_storage import open_session_storage
from shopify_session_storage.access_tokens import AccessTokenError, AccessTokenStore

PATCH_ID_TOKEN_PATH = "/auth/patch-id-token"

shopify = ShopifyApp(os.environ["SHOPIFY_API_KEY"], os.environ["SHOPIFY_API_SECRET"])
storage = open_session_storage(os.environ["DATABASE_URL"], on_error="raise")
tokens = AccessTokenStore(storage, app=shopify)

routes = web.RouteTableDef()


def create_app(_: object = None) -> web.Application:
    """Make the application."""
    app = web.Application(middlewares=[no_token])
    app.cleanup_ctx.append(opened)
    app.add_routes(routes)
    return app


async def opened(_: web.Application) -> AsyncIterator[None]:
    """Connect on the event loop that serves the requests: connections belong to one."""
    async with storage, tokens:
        yield


@web.middleware
async def no_token(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer as Shopify's package says, also to a request that is not verified."""
    try:
        return await handler(request)
    except AccessTokenError as error:
        return answer(error.response) if error.response else web.Response(status=503)


@routes.get("/app")
async def home(request: web.Request) -> web.Response:
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
    return web.Response(
        text=f"Hello {escape(result.data['shop']['name'])}",
        content_type="text/html",
        headers=verified.response.headers,
    )


@routes.get(PATCH_ID_TOKEN_PATH)
async def patch_id_token(request: web.Request) -> web.Response:
    """Give the browser the page that fetches an ID token."""
    return answer(shopify.app_home_patch_id_token(await as_shopify_wants_it(request)).response)


@routes.post("/webhooks/app/uninstalled")
async def uninstalled(request: web.Request) -> web.Response:
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


async def as_shopify_wants_it(request: web.Request) -> RequestInput:
    """Return a request unchanged, or signatures do not match."""
    return {
        "method": request.method,
        "headers": dict(request.headers),
        "url": str(request.url),
        "body": (await request.read()).decode(errors="replace"),
    }


def answer(response: Any) -> web.Response:
    """Return an answer of Shopify's package as one of aiohttp."""
    return web.Response(
        body=response.body.encode(), status=response.status, headers=response.headers
    )
