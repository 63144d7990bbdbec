"""What merchants and Shopify send to the app."""

import json
import uuid
from collections.abc import Awaitable

import httpx

from demo_app.report import Report
from demo_app.shopify import Credentials, Shop, User


class StoryError(Exception):
    """Something did not go as the story says."""


class Merchants:
    """Use the app, over HTTP. An answer that is not as it should be is a StoryError.

    Args:
        report: Where it is told.
        credentials: The app's.
        client: Reaches the app.
    """

    def __init__(self, report: Report, credentials: Credentials, client: httpx.AsyncClient) -> None:
        self.client = client
        self._report = report
        self._credentials = credentials

    async def open_app(self, shop: Shop, user: User) -> None:
        """Load the app's page as the admin does, with the ID token in the URL."""
        self._report.event(user.first_name, "app", f"opens the app in {shop.name}")
        token = self._credentials.id_token(shop, user)
        response = await self.client.get("/app", params={"shop": shop.domain, "id_token": token})
        greeting = f"Hello {user.first_name}"
        _check(response, f'heading="{greeting}"' in response.text)
        _check(response, shop.domain in response.headers["content-security-policy"])
        self._report.event("app", user.first_name, greeting)

    async def call_api(self, shop: Shop, user: User) -> None:
        """Call the app's API as App Bridge does, with the ID token in a header."""
        self._report.event(user.first_name, "app", f"calls its API from {shop.name}")
        token = self._credentials.id_token(shop, user)
        response = await self.client.get("/api/me", headers=bearer(token))
        expected = {"shop": shop.domain, "name": user.first_name, "scope": shop.scope}
        _check(response, response.status_code == 200 and response.json() == expected)

    async def send(
        self, who: str, what: str, request: Awaitable[httpx.Response], status: int
    ) -> httpx.Response:
        """Send a request that has to be answered with *status*."""
        self._report.event(who, "app", what)
        response = await request
        _check(response, response.status_code == status)
        self._report.event("app", who, f"{status} {response.reason_phrase}")
        return response

    async def uninstall(self, shop: Shop, signer: Credentials) -> httpx.Response:
        """Send the webhook of an uninstall, with the signature of *signer*."""
        body = json.dumps({"name": shop.name, "myshopify_domain": shop.domain}).encode()
        headers = {
            "Content-Type": "application/json",
            "X-Shopify-Topic": "app/uninstalled",
            "X-Shopify-Shop-Domain": shop.domain,
            "X-Shopify-Webhook-Id": str(uuid.uuid4()),
            "X-Shopify-Hmac-Sha256": signer.webhook_signature(body),
        }
        return await self.client.post("/webhooks/app/uninstalled", content=body, headers=headers)


def bearer(token: str) -> dict[str, str]:
    """Return the header that carries an ID token."""
    return {"Authorization": f"Bearer {token}"}


def _check(response: httpx.Response, holds: bool) -> None:
    if not holds:
        path = response.request.url.path  # the query holds an ID token
        raise StoryError(f"unexpected answer to {path}: status {response.status_code}")
