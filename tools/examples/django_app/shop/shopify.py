"""Shopify's package, and the access tokens."""

from collections.abc import Callable
from functools import cache
from typing import Any

from django.conf import settings
from django.db import connections
from django.http import HttpRequest, HttpResponse
from shopify_app import RequestInput, ShopifyApp
from shopify_session_storage.access_tokens import AccessTokenError
from shopify_session_storage.sync import SyncAccessTokenStore, SyncSessionStorage
from shopify_session_storage_postgresql import PostgreSQLSessionStorage

shopify = ShopifyApp(settings.SHOPIFY_API_KEY, settings.SHOPIFY_API_SECRET)


@cache
def storage() -> SyncSessionStorage:
    """Return the storage, in Django's database, made on first use.

    By then a test runner has put its own database there. The connections are not Django's: what
    they write stays when ATOMIC_REQUESTS rolls a request back, or the pair that Shopify has just
    rotated would be lost, and with it the shop.
    """
    database = connections["default"].settings_dict
    return SyncSessionStorage(
        PostgreSQLSessionStorage.with_credentials(
            database["HOST"],
            database["NAME"],
            database["USER"],
            database["PASSWORD"],
            port=int(database["PORT"]),
            on_error="raise",
        )
    )


@cache
def tokens() -> SyncAccessTokenStore:
    """Return the access tokens, one object for all threads of the process."""
    return SyncAccessTokenStore(storage(), app=shopify)


def ask(query: str, verified: Any) -> Any:
    """Ask the Admin API for a verified request."""
    refused: Any = None
    while True:
        token: Any = tokens().get_or_exchange(verified, refused=refused)
        result = shopify.admin_graphql_request(
            query,
            shop=token.shop,
            access_token=token.token,
            api_version="2026-07",
            invalid_token_response=verified.invalid_token_response,
        )
        if result.log.code != "unauthorized" or refused is not None:
            return result
        refused = token  # Shopify takes it no more: say which one, and get a newer one


class NoTokenMiddleware:
    """Answers as Shopify's package says, also to a request that is not verified."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, _: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer in place of a view that has no access token."""
        if not isinstance(error, AccessTokenError):
            return None
        return answer(error.response) if error.response else HttpResponse(status=503)


def as_shopify_wants_it(request: HttpRequest) -> RequestInput:
    """Return a request unchanged, or signatures do not match."""
    return {
        "method": request.method,
        "headers": dict(request.headers),
        "url": request.build_absolute_uri(),
        "body": request.body.decode(errors="replace"),
    }


def answer(response: Any) -> HttpResponse:
    """Return an answer of Shopify's package as one of Django."""
    return HttpResponse(response.body, status=response.status, headers=response.headers)
