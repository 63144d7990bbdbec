"""A stand-in for Shopify's token endpoint: a real HTTP server that follows the documented rules.

::

    with FakeShopify() as fake:
        shopify = ShopifyApp(fake.client_id, fake.client_secret)
        async with fake.client() as client:
            tokens = AccessTokenStore(storage, app=shopify, http_client=client)
            await tokens.save(fake.install("alpha"))

Clients need httpx, which Shopify's package brings.
"""

from shopify_session_storage.testing.shopify.clients import client_for, shops_at, sync_client_for
from shopify_session_storage.testing.shopify.fake import FakeShopify
from shopify_session_storage.testing.shopify.server import Fault

__all__ = ["FakeShopify", "Fault", "client_for", "shops_at", "sync_client_for"]
