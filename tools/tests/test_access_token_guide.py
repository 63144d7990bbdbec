"""The app in the guide runs as pasted: with Shopify's package, a database, and a merchant."""

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta

import environment
import httpx
import pytest
from shopify_session_storage.testing import FakeShopify

GUIDE = environment.ROOT / "tools/docs/guides/access-tokens.md"
APP = re.search(r"```py\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)[1]


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """Shopify, where every request of the app arrives that is for a shop."""
    monkeypatch.chdir(tmp_path)
    with FakeShopify() as fake:
        monkeypatch.setenv("SHOPIFY_API_KEY", fake.client_id)
        monkeypatch.setenv("SHOPIFY_API_SECRET", fake.client_secret)
        send = httpx.AsyncHTTPTransport.handle_async_request

        async def there(self, request):
            assert request.url.host.endswith(".myshopify.com")
            host, port = fake.url.removeprefix("http://").split(":")
            request.url = request.url.copy_with(scheme="http", host=host, port=int(port))
            return await send(self, request)

        monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", there)
        yield fake


def visit(fake):
    return {"Authorization": f"Bearer {fake.id_token('alpha')}"}


def webhook(fake, when, body=b"{}"):
    signature = hmac.new(fake.client_secret.encode(), body, hashlib.sha256).digest()
    headers = {
        "X-Shopify-Hmac-Sha256": base64.b64encode(signature).decode(),
        "X-Shopify-Shop-Domain": "alpha.myshopify.com",
        "X-Shopify-Topic": "app/uninstalled",
        "X-Shopify-Triggered-At": when.isoformat().replace("+00:00", "123Z"),  # nanoseconds
    }
    return {"content": body, "headers": headers}


@pytest.mark.asyncio
async def test_the_app_of_the_guide(fake):
    names = {"__name__": "main"}
    exec(compile(APP, str(GUIDE), "exec"), names)
    app, tokens = names["app"], names["tokens"]
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="https://app.example") as browser,
    ):
        answer = await browser.get("/app?shop=alpha.myshopify.com")  # without an ID token
        assert (answer.status_code, answer.headers["Location"][:40]) == (
            302,
            "https://app.example/auth/patch-id-token?",
        )
        answer = await browser.get("/app", headers={"Authorization": "Bearer forged"})
        assert answer.status_code == 401
        assert answer.headers["X-Shopify-Retry-Invalid-Session-Request"] == "1"
        assert (await browser.get("/auth/patch-id-token?shopify-reload=%2Fapp")).text
        for _ in range(3):
            answer = await browser.get("/app", headers=visit(fake))
            assert (answer.status_code, answer.text) == (200, "Hello alpha")
        assert fake.requests["alpha.myshopify.com"] == 1
        first = await tokens.load("alpha")

        uninstalled = datetime.now(UTC)
        fake.uninstall("alpha")  # and installed again before the webhook comes
        answer = await browser.get("/app", headers=visit(fake))
        assert (answer.status_code, answer.text) == (200, "Hello alpha")
        second = await tokens.load("alpha")
        assert second.token != first.token
        late = webhook(fake, uninstalled - timedelta(seconds=10))
        assert (await browser.post("/webhooks/app/uninstalled", **late)).status_code == 200
        assert await tokens.load("alpha") == second
        forged = webhook(fake, datetime.now(UTC)) | {"content": b"{ }"}
        assert (await browser.post("/webhooks/app/uninstalled", **forged)).status_code == 401
        assert await tokens.load("alpha") == second
        gone = webhook(fake, datetime.now(UTC) + timedelta(seconds=10))
        assert (await browser.post("/webhooks/app/uninstalled", **gone)).status_code == 200
        assert await tokens.load("alpha") is None
