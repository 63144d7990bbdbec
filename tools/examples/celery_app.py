"""Jobs of a Shopify app in Celery.

Run it: celery --app celery_app worker --concurrency 4
"""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_process_shutdown
from shopify_app import ShopifyApp
from shopify_session_storage import SessionStorageError, open_session_storage
from shopify_session_storage.access_tokens import ReauthorizationRequired, TokenRefreshUnavailable
from shopify_session_storage.sync import SyncAccessTokenStore, SyncSessionStorage

shopify = ShopifyApp(os.environ["SHOPIFY_API_KEY"], os.environ["SHOPIFY_API_SECRET"])
# Made before Celery forks; each child opens it on first use, with connections of its own.
storage = SyncSessionStorage(open_session_storage(os.environ["DATABASE_URL"], on_error="raise"))
tokens = SyncAccessTokenStore(storage, app=shopify)

app = Celery("jobs", broker=os.environ["BROKER_URL"], backend=os.environ["BROKER_URL"])

LATER = (TokenRefreshUnavailable, SessionStorageError)  # Shopify or the database, for a moment


@app.task(name="greet", autoretry_for=LATER, retry_backoff=True, max_retries=5)
def greet(shop: str) -> str:
    """Greet a shop. However many children do this at once, one of them refreshes its token."""
    try:
        result = ask("{ shop { name } }", shop)
    except ReauthorizationRequired:  # nothing to do until a merchant opens the app
        return f"{shop} has to open the app"
    if result is None:
        return f"{shop} has uninstalled the app"
    if not result.ok:
        raise RuntimeError(result.log.detail)
    return f"Hello {result.data['shop']['name']}"


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


@worker_process_shutdown.connect
def close(**_: object) -> None:
    """Wait for refreshes that go on beside a task: a child of Celery ends without Python's end."""
    tokens.close()
    storage.disconnect()
