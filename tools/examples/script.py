"""Greets shops, and keeps the tokens of all shops alive; for a daily job.

Run it: python script.py my-shop another-shop
"""

import os
import sys
from collections.abc import Sequence
from typing import Any

from shopify_app import ShopifyApp
from shopify_session_storage import open_session_storage
from shopify_session_storage.access_tokens import AccessTokenError
from shopify_session_storage.sync import SyncAccessTokenStore, SyncSessionStorage

shopify = ShopifyApp(os.environ["SHOPIFY_API_KEY"], os.environ["SHOPIFY_API_SECRET"])
storage = SyncSessionStorage(open_session_storage(os.environ["DATABASE_URL"], on_error="raise"))
tokens = SyncAccessTokenStore(storage, app=shopify)


def main(shops: Sequence[str]) -> int:
    """Greet the shops, then refresh those that would lose their refresh token."""
    failed = False
    with storage, tokens:
        for shop in shops:
            try:
                print(f"{shop}: {greeting(shop)}")
            except AccessTokenError as error:
                print(f"{shop}: {error}", file=sys.stderr)
                failed = True
        report = tokens.keep_warm()
        for failure in report.failed.values():
            print(failure, file=sys.stderr)
    return 1 if failed or report.failed else 0


def greeting(shop: str) -> str:
    """Return a greeting for a shop."""
    result = ask("{ shop { name } }", shop)
    if result is None:
        return "has not installed the app"
    return f"Hello {result.data['shop']['name']}" if result.ok else str(result.log.detail)


def ask(query: str, shop: str) -> Any:
    """Ask the Admin API; None if the shop has not installed the app."""
    refused = None
    while (token := tokens.get(shop, refused=refused)) is not None:
        result = shopify.admin_graphql_request(
            query, shop=token.shop, access_token=str(token.token), api_version="2026-07"
        )
        if result.log.code != "unauthorized" or refused is not None:
            return result
        refused = token  # Shopify takes it no more: say which one, and get a newer one
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
