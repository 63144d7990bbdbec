"""An embedded Shopify app in FastAPI that keeps its access tokens in a session storage.

Made to be copied: Shopify's package verifies requests and talks to Shopify, the storage remembers
what it got. Nothing in here knows which database that is, or that Shopify is simulated.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Annotated

import httpx
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from shopify_app import (
    RequestInput,
    Res,
    ResultForReq,
    ResultWithExchangeableIdToken,
    ShopifyApp,
)
from shopify_session_storage import SessionStorage, sanitize_shop
from shopify_session_storage.access_tokens import AccessToken, AccessTokenError, AccessTokenStore

PATCH_ID_TOKEN_PATH = "/auth/patch-id-token"

logger = logging.getLogger(__name__)

_Result = ResultForReq | ResultWithExchangeableIdToken


class RefusedError(Exception):
    """A request that Shopify's package refuses; its result says how to answer."""

    def __init__(self, result: _Result) -> None:
        super().__init__(result.log.code)
        self.result = result


@dataclass
class Visit:
    """A verified request of a merchant, with the access tokens to serve it."""

    offline: AccessToken  # the shop's: also for jobs and webhooks, when nobody is there
    online: AccessToken  # the user's: limited to what this user may do
    headers: dict[str, str]  # what Shopify wants on a page inside its admin


def create_app(
    shopify: ShopifyApp, storage: SessionStorage, http_client: httpx.AsyncClient | None = None
) -> FastAPI:
    """Make the app.

    Args:
        shopify: The app's identity at Shopify.
        storage: Where the access tokens are kept.
        http_client: How to reach Shopify; by default Shopify's package makes its own.
    """
    tokens = AccessTokenStore(storage, app=shopify, http_client=http_client)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with storage, tokens:  # connects and migrates now, not during the first request
            yield

    app = FastAPI(lifespan=lifespan)
    app.state.tokens = tokens

    async def visit(request: Request) -> Visit:
        verified = shopify.verify_app_home_req(
            await shopify_request(request), app_home_patch_id_token_path=PATCH_ID_TOKEN_PATH
        )
        if not verified.ok:
            raise RefusedError(verified)
        return Visit(
            offline=await tokens.get_or_exchange(verified),
            online=await tokens.get_or_exchange(verified, "online"),
            headers=verified.response.headers,
        )

    @app.exception_handler(RefusedError)
    async def refuse(_: Request, refused: RefusedError) -> Response:
        logger.info("refused: %s", refused.result.log.code)
        return _response(refused.result.response)

    @app.exception_handler(AccessTokenError)
    async def no_token(_: Request, error: AccessTokenError) -> Response:
        logger.warning("%s", error)
        return _response(error.response or Res(status=503, body="", headers={}))

    @app.get("/app")
    async def home(visit: Annotated[Visit, Depends(visit)]) -> HTMLResponse:
        page = f"""<!doctype html>
            <script src="https://cdn.shopify.com/shopifycloud/app-bridge.js"
                    data-api-key="{escape(shopify.config["client_id"])}"></script>
            <script src="https://cdn.shopify.com/shopifycloud/polaris.js"></script>
            <s-page heading="Hello {escape(_first_name(visit.online))}"></s-page>"""
        return HTMLResponse(page, headers=visit.headers)

    @app.get("/api/me")
    async def me(visit: Annotated[Visit, Depends(visit)]) -> dict[str, str | None]:
        return {
            "shop": sanitize_shop(visit.offline["shop"]),
            "name": _first_name(visit.online),
            "scope": visit.online["scope"],
        }

    @app.get(PATCH_ID_TOKEN_PATH)
    async def patch_id_token(request: Request) -> Response:
        return _response(shopify.app_home_patch_id_token(await shopify_request(request)).response)

    @app.post("/webhooks/app/uninstalled")
    async def uninstalled(request: Request) -> Response:
        verified = shopify.verify_webhook_req(await shopify_request(request))
        if not verified.ok:
            raise RefusedError(verified)
        # A webhook may come late, or twice; the tokens of a newer install stay.
        triggered = request.headers.get("X-Shopify-Triggered-At")
        assert verified.shop is not None  # it always is, when the request is verified
        await tokens.delete_shop(
            verified.shop,
            installed_before=None if triggered is None else datetime.fromisoformat(triggered),
        )
        return _response(verified.response)

    return app


async def shopify_request(request: Request) -> RequestInput:
    """Return *request* as Shopify's package wants it: unchanged, or signatures do not match."""
    return {
        "method": request.method,
        "headers": dict(request.headers),
        "url": str(request.url),
        "body": (await request.body()).decode(errors="replace"),
    }


def _response(answer: Res) -> Response:
    return Response(answer.body, status_code=answer.status, headers=answer.headers)


def _first_name(token: AccessToken) -> str:
    return (token["user"] or {}).get("first_name") or "there"
