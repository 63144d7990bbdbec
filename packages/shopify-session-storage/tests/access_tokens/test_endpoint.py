"""The stand-in for Shopify's token endpoint keeps Shopify's rules."""

from datetime import timedelta

import pytest
from shopify_session_storage.testing.shopify import FakeShopify

from .shops import DOMAIN


def refresh(fake, token, shop="alpha"):
    body = {"grant_type": "refresh_token", "refresh_token": token}
    own = {"client_id": fake.client_id, "client_secret": fake.client_secret}
    return fake.answer(f"{shop}.myshopify.com", body | own)


@pytest.mark.parametrize("retry", ["same", "new"])
def test_the_endpoint_keeps_shopifys_rules(retry):
    fake = FakeShopify(retry=retry)
    first = fake.install("alpha")
    one = refresh(fake, first["refresh_token"])["json"]
    assert fake.takes_access_token("alpha", first["token"])  # until its own expiry
    two = refresh(fake, first["refresh_token"])["json"]  # a retry
    assert (one == two) is (retry == "same")
    assert fake.takes_refresh_token("alpha", one["refresh_token"]) is (retry == "same")
    three = refresh(fake, two["refresh_token"])["json"]
    assert refresh(fake, first["refresh_token"])["status"] == 401  # its successor was used
    fake.advance(timedelta(minutes=61))
    assert not fake.takes_access_token("alpha", three["access_token"])
    fake.advance(timedelta(days=30))
    assert not fake.takes_refresh_token("alpha", two["refresh_token"])
    assert fake.takes_refresh_token("alpha", three["refresh_token"])
    fake.advance(timedelta(days=60))
    assert refresh(fake, three["refresh_token"])["status"] == 401
    again = fake.install("alpha")
    newest = fake.install("alpha")
    assert refresh(fake, again["refresh_token"])["status"] == 401
    assert refresh(fake, newest["refresh_token"])["status"] == 200
    fake.uninstall("alpha")
    assert refresh(fake, newest["refresh_token"])["status"] == 401
    assert fake.grants[DOMAIN] == 4
