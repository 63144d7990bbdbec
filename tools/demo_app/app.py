"""An embedded Shopify app in FastAPI that keeps its access tokens in a session storage.

Made to be copied: Shopify's package verifies requests and talks to Shopify, the storage remembers
what it got. Nothing in here knows which database that is, or that Shopify is simulated.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from html import escape
from typing import Annotated

import httpx
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from shopify_app import (
    RequestInput,
    ResultForReq,
    ResultWithExchangeableIdToken,
    ShopifyApp,
    TokenExchangeAccessToken,
    TokenExchangeResult,
)
from shopify_session_storage import (
    Session,
    SessionStorage,
    offline_session_id,
    online_session_id,
)

from demo_app.tokens import access_token_from_session, session_from_access_token, shop_domain

PATCH_ID_TOKEN_PATH = "/auth/patch-id-token"

logger = logging.getLogger(__name__)

_Result = ResultForReq | ResultWithExchangeableIdToken | TokenExchangeResult


class RefusedError(Exception):
    """A request that Shopify's package refuses; its result says how to answer."""

    def __init__(self, result: _Result) -> None:
        super().__init__(result.log.code)
        self.result = result


@dataclass
class Visit:
    """A verified request of a merchant, with the access tokens to serve it."""

    offline: Session  # the shop's: also for jobs and webhooks, when nobody is there
    online: Session  # the user's: limited to what this user may do
    headers: dict[str, str]  # what Shopify wants on a page inside its admin


def create_app(
    shopify: ShopifyApp, storage: SessionStorage, http_client: httpx.AsyncClient | None = None
) -> FastAPI:
    """Make the app.

    Args:
        shopify: The app's identity at Shopify.
        storage: Where the access tokens are kept. With ``on_error="raise"``, so that an outage of
            the database is an error and not a user without a token.
        http_client: How to reach Shopify; by default Shopify's package makes its own.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with storage:  # connects, creates and migrates now, not during the first request
            yield

    app = FastAPI(lifespan=lifespan)

    async def visit(request: Request) -> Visit:
        verified = shopify.verify_app_home_req(
            await shopify_request(request), app_home_patch_id_token_path=PATCH_ID_TOKEN_PATH
        )
        if not verified.ok:
            raise RefusedError(verified)
        return Visit(await offline(verified), await online(verified), verified.response.headers)

    async def offline(verified: ResultWithExchangeableIdToken) -> Session:
        session = await storage.load_session(offline_session_id(shop_domain(verified.shop)))
        if session is None:
            return await exchange("offline", verified)
        # Does nothing unless the token is about to expire, so there is no check of ours here.
        result = await shopify.refresh_token_exchanged_access_token_async(
            access_token_from_session(session), http_client=http_client
        )
        if result.log.code in ("invalid_grant", "refresh_token_expired"):
            # Only a merchant can help now, and one is here: their ID token gets a new pair.
            return await exchange("offline", verified)
        if not result.ok:
            raise RefusedError(result)
        return session if result.access_token is None else await keep(result.access_token)

    async def online(verified: ResultWithExchangeableIdToken) -> Session:
        assert verified.user_id is not None  # it always is, when the request is verified
        shop = shop_domain(verified.shop)
        session = await storage.load_session(online_session_id(shop, verified.user_id))
        # Online tokens have no refresh token; the next request simply brings a new ID token.
        if session is None or session.is_expired(within=timedelta(minutes=1)):
            return await exchange("online", verified)
        return session

    async def exchange(access_mode: str, verified: ResultWithExchangeableIdToken) -> Session:
        result = await shopify.exchange_using_token_exchange_async(
            access_mode=access_mode,
            id_token=verified.id_token,
            invalid_token_response=verified.invalid_token_response,
            http_client=http_client,
        )
        if result.access_token is None:
            raise RefusedError(result)
        return await keep(result.access_token)

    async def keep(token: TokenExchangeAccessToken) -> Session:
        session = session_from_access_token(token)
        await storage.store_session(session)
        return session

    @app.exception_handler(RefusedError)
    async def refuse(_: Request, refused: RefusedError) -> Response:
        logger.info("refused: %s", refused.result.log.code)
        return _response(refused.result)

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
            "shop": visit.offline.shop,
            "name": _first_name(visit.online),
            "scope": visit.online.scope,
        }

    @app.get(PATCH_ID_TOKEN_PATH)
    async def patch_id_token(request: Request) -> Response:
        return _response(shopify.app_home_patch_id_token(await shopify_request(request)))

    @app.post("/webhooks/app/uninstalled")
    async def uninstalled(request: Request) -> Response:
        verified = shopify.verify_webhook_req(await shopify_request(request))
        if not verified.ok:
            raise RefusedError(verified)
        # The tokens are dead now. Shopify may deliver twice; deleting twice is no error.
        sessions = await storage.find_sessions_by_shop(shop_domain(verified.shop))
        await storage.delete_sessions([session.id for session in sessions])
        return _response(verified)

    return app


async def shopify_request(request: Request) -> RequestInput:
    """Return *request* as Shopify's package wants it: unchanged, or signatures do not match."""
    return {
        "method": request.method,
        "headers": dict(request.headers),
        "url": str(request.url),
        "body": (await request.body()).decode(errors="replace"),
    }


def _response(result: _Result) -> Response:
    answer = result.response
    return Response(answer.body, status_code=answer.status, headers=answer.headers)


def _first_name(session: Session) -> str:
    info = session.online_access_info
    return (info.associated_user.first_name if info else None) or "there"
