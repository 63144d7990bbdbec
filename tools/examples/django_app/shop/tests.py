"""Tests of the app, in a database of their own: python manage.py test."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

from django.contrib.auth.models import User
from django.db import connection
from django.test import TestCase
from shopify_session_storage.testing.shopify import FakeShopify, shops_at

from shop.models import ShopifySession, Visit
from shop.shopify import shopify, storage, tokens


class AppTest(TestCase):
    """The app, with Shopify played by a local server."""

    def setUp(self) -> None:
        """Install the app in a shop."""
        config = shopify.config
        self.fake = self.enterContext(FakeShopify(config["client_id"], config["client_secret"]))
        self.enterContext(shops_at(self.fake.url))
        # What the storage writes is not part of the transaction that TestCase rolls back.
        self.addCleanup(tokens().delete_shop, "alpha")
        tokens().save(self.fake.install("alpha"))

    def open_app(self, path: str = "/app") -> Any:
        """Visit the app as a merchant."""
        bearer = f"Bearer {self.fake.id_token('alpha')}"
        return self.client.get(path, headers={"Authorization": bearer})

    def expire(self) -> str:
        """Let the access token expire, and return it."""
        session = storage().load_session("offline_alpha.myshopify.com")
        assert session is not None
        assert session.access_token is not None
        session.expires = datetime.now(UTC) - timedelta(minutes=1)
        storage().store_session(session)
        return session.access_token

    def test_the_storage_is_in_the_database_of_the_tests(self) -> None:
        """No test touches the database of the app."""
        name = connection.settings_dict["NAME"]
        self.assertTrue(name.startswith("test_"))
        self.assertIn(name, repr(storage()))
        self.assertEqual(ShopifySession.objects.get().shop, "alpha.myshopify.com")

    def test_a_merchant_is_greeted(self) -> None:
        """What a request writes is there after it."""
        self.assertEqual(self.open_app().content, b"Hello alpha")
        self.assertEqual(Visit.objects.get().shop, "alpha")

    def test_a_rollback_does_not_lose_a_rotated_pair(self) -> None:
        """A request that fails takes its own data back, and keeps what Shopify has rotated."""
        old = self.expire()
        self.client.raise_request_exception = False
        with patch("shop.views.escape", side_effect=LookupError):
            self.assertEqual(self.open_app().status_code, 500)
        self.assertFalse(Visit.objects.exists())
        token = tokens().load("alpha")
        assert token is not None
        self.assertNotEqual(token.token, old)
        self.assertTrue(self.fake.takes_refresh_token("alpha", token.refresh_token))
        self.assertEqual(self.open_app().status_code, 200)
        self.assertEqual(self.fake.requests["alpha.myshopify.com"], 1)

    def test_a_token_that_shopify_refuses_is_replaced(self) -> None:
        """The shop has uninstalled the app, and installed it again."""
        self.fake.uninstall("alpha")
        self.assertEqual(self.open_app().content, b"Hello alpha")

    def test_an_async_view_uses_the_same_tokens(self) -> None:
        """Through a thread."""
        answer = self.open_app("/api/scopes")
        self.assertEqual(answer.json(), {"scope": self.fake.scope})

    def test_the_admin_shows_sessions_and_no_tokens(self) -> None:
        """Neither in the list nor on the page of one."""
        self.client.force_login(User.objects.create_superuser("root"))
        stored = tokens().load("alpha")
        assert stored is not None
        token = str(stored.token)
        place = "/admin/shop/shopifysession/"
        for page in (place, f"{place}offline_5Falpha.myshopify.com/change/"):
            text = self.client.get(page, follow=True).content.decode()
            self.assertIn("alpha.myshopify.com", text)
            self.assertIn(f"…{token[-4:]}", text)
            self.assertNotIn(token, text)
            self.assertNotIn("shpat_", text)
