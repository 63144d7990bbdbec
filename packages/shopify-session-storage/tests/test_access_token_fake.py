"""The stand-in for Shopify answers queries, too."""

import pytest
from shopify_app import ShopifyApp
from shopify_session_storage.testing import FakeShopify


@pytest.mark.asyncio
async def test_a_query_wants_a_good_access_token():
    with FakeShopify() as fake:
        app = ShopifyApp(fake.client_id, fake.client_secret)
        token = fake.install("alpha")["token"]

        async def ask(token):
            async with fake.client() as client:
                return await app.admin_graphql_request_async(
                    "{ shop { name } }",
                    shop="alpha",
                    access_token=token,
                    api_version="2026-07",
                    http_client=client,
                )

        good = await ask(token)
        assert (good.ok, good.data) == (True, {"shop": {"name": "alpha"}})
        assert (await ask("shpat_0")).log.code == "unauthorized"
        fake.install("alpha")
        assert (await ask(token)).log.code == "unauthorized"
        assert not fake.requests  # those for tokens
