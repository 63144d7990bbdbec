"""Scopes that a caller needs and a token lacks."""

from dataclasses import replace

import pytest
from shopify_session_storage.access_tokens import ReauthorizationRequired, session_from_access_token
from shopify_session_storage.access_tokens.arguments import check_scopes, lacks_scopes
from shopify_session_storage.testing import FakeShopify

DOMAIN = "alpha.myshopify.com"


@pytest.mark.asyncio
async def test_scopes_that_a_caller_needs(tokens, storage, fake):
    token = await tokens.get_or_exchange(fake.verified("alpha"), scopes="read_products")
    assert await tokens.get("alpha", scopes=["write_products", "read_orders"]) == token
    with pytest.raises(ReauthorizationRequired, match="write_themes") as caught:
        await tokens.get("alpha", scopes="write_themes,read_orders")
    assert caught.value.shop == DOMAIN
    assert await tokens.get("nobody", scopes="write_themes") is None
    fake.scope += ",write_themes"  # the merchant has granted it since
    newer = await tokens.get_or_exchange(fake.verified("alpha"), scopes="write_themes")
    assert newer.token != token.token
    assert await tokens.get("alpha", scopes="write_themes") == newer
    with pytest.raises(ReauthorizationRequired, match="write_files") as caught:
        await tokens.get_or_exchange(fake.verified("alpha"), scopes="write_files")
    with pytest.raises(TypeError):
        await tokens.get("alpha", scopes=7)


def test_scopes_that_a_token_lacks():
    session = session_from_access_token(FakeShopify(scope="write_orders,read_x").install("alpha"))
    for enough in (None, "", [], "read_orders", ["write_orders", "read_x"], "read_x, write_orders"):
        assert lacks_scopes(session, enough) == ()
        check_scopes(session, enough)
    assert lacks_scopes(session, "write_x,read_orders,read_y") == ("write_x", "read_y")
    with pytest.raises(ReauthorizationRequired, match="write_x") as caught:
        check_scopes(session, ["write_x"])
    assert caught.value.shop == "alpha.myshopify.com"
    assert lacks_scopes(replace(session, scope=None), "read_x") == ("read_x",)
    for wrong in (7, [7], b"read_x"):
        with pytest.raises(TypeError):
            lacks_scopes(session, wrong)
