"""The stand-in for Shopify: queries want a good token, and refresh tokens are taken once."""

import pytest
from shopify_app import ShopifyApp
from shopify_session_storage.testing import FakeShopify, Fault

DOMAIN = "alpha.myshopify.com"


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


def test_a_strict_endpoint_takes_a_refresh_token_once():
    fake = FakeShopify(retry="strict")
    first = fake.install("alpha")
    own = {"client_id": fake.client_id, "client_secret": fake.client_secret}
    body = own | {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = fake.answer(DOMAIN, body)["json"]
    assert fake.answer(DOMAIN, body)["status"] == 401
    assert not fake.takes_refresh_token("alpha", first["refresh_token"])
    assert fake.takes_refresh_token("alpha", second["refresh_token"])


def test_an_empty_body_is_sent_as_it_is():
    with FakeShopify() as fake, fake.sync_client() as client:
        fake.fail("alpha", *(Fault(body=body) for body in ({}, [], 0, "", None, {"a": 1})))
        url = f"https://{DOMAIN}/admin/oauth/access_token"
        answers = [client.post(url, json={}).text for _ in range(6)]
    assert answers[:4] == ["{}", "[]", "0", ""]
    assert "invalid_client" in answers[4]  # a fault without any, which changes nothing
    assert answers[5] == '{"a": 1}'
