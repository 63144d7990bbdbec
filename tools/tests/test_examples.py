"""Each example, started as its users start it, serves merchants and survives what happens."""

import asyncio
import os
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import environment
import httpx
import psycopg
import pytest
from shopify_session_storage import open_session_storage
from shopify_session_storage.access_tokens import AccessTokenStore
from shopify_session_storage.testing.shopify import FakeShopify

from .access_tokens_processes import expire, stored_in
from .examples_running import EXAMPLES, run, serving, visit, webhook

MERCHANTS = 8
DJANGO = EXAMPLES / "django_app"

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


@pytest.fixture
def fake():
    with FakeShopify() as fake:
        yield fake


@pytest.fixture(scope="module")
def django(postgresql_url):
    """Return the URL of a database, and the settings of the Django example for it, migrated."""
    name, parts = f"example_{uuid4().hex}", urlsplit(postgresql_url)
    with psycopg.connect(postgresql_url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        settings = {
            "DJANGO_SECRET_KEY": "of-a-test",
            "PGHOST": parts.hostname,
            "PGPORT": str(parts.port or 5432),
            "PGUSER": unquote(parts.username),
            "PGPASSWORD": unquote(parts.password),
            "PGDATABASE": name,
        }
        with FakeShopify() as fake:
            status, printed = run(fake, "manage.py", "migrate", folder=DJANGO, **settings)
        assert status == 0, printed
        yield parts._replace(path=f"/{name}").geturl(), settings
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def file(tmp_path):
    return f"sqlite:///{(tmp_path / 'sessions.db').as_posix()}"


async def tells_its_story(fake, url, address):
    """Merchants come, tokens expire, the app is installed anew and uninstalled."""
    async with (
        open_session_storage(address, on_error="raise") as storage,
        httpx.AsyncClient(base_url=url, timeout=60) as browser,
    ):

        async def greeted(shop="alpha"):
            answers = await asyncio.gather(
                *(browser.get("/app", headers=visit(fake, shop)) for _ in range(MERCHANTS))
            )
            got = {(answer.status_code, answer.text) for answer in answers}
            assert got == {(200, f"Hello {shop}")}
            assert answers[0].headers["Content-Type"].startswith("text/html")

        answer = await browser.get("/app?shop=alpha.myshopify.com")  # without an ID token
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith(f"{url}/auth/patch-id-token?")
        answer = await browser.get("/app", headers={"Authorization": "Bearer forged"})
        assert answer.status_code == 401
        assert answer.headers["X-Shopify-Retry-Invalid-Session-Request"] == "1"
        assert (await browser.get("/auth/patch-id-token?shopify-reload=%2Fapp")).text

        await greeted()
        assert fake.requests["alpha.myshopify.com"] == 1  # the ID token of one of them
        old = await expire(storage)
        await greeted()
        assert fake.requests["alpha.myshopify.com"] == 2  # one refresh
        first = await stored_in(storage, "alpha")
        assert first.access_token != old.access_token
        assert fake.takes_refresh_token("alpha", first.refresh_token)

        uninstalled = datetime.now(UTC)
        fake.uninstall("alpha")  # and installed again before the webhook comes
        await greeted()
        second = await stored_in(storage, "alpha")
        assert fake.takes_access_token("alpha", second.access_token)

        async def told(**request):
            answer = await browser.post("/webhooks/app/uninstalled", **request)
            return answer.status_code, await stored_in(storage, "alpha")

        assert await told(**webhook(fake, uninstalled - timedelta(seconds=10))) == (200, second)
        later = webhook(fake, datetime.now(UTC) + timedelta(seconds=10))
        assert await told(**later | {"content": b"forged"}) == (401, second)
        assert await told(**later) == (200, None)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["uvicorn", "--port", "PORT", "fastapi_app:app"], id="fastapi"),
        pytest.param(["aiohttp.web", "-P", "PORT", "aiohttp_app:create_app"], id="aiohttp"),
        pytest.param(["flask", "--app", "flask_app", "run", "-p", "PORT"], id="flask"),
        pytest.param(
            ["gunicorn", "--preload", "--workers=2", "--threads=8", "-b127.0.0.1:PORT",
             "flask_app:app"],
            id="flask-prefork", marks=needs_fork,
        ),
    ],
)  # fmt: skip
@pytest.mark.asyncio
async def test_a_web_app(fake, tmp_path, arguments):
    address = file(tmp_path)
    with serving(fake, *arguments, log=tmp_path / "log", DATABASE_URL=address) as url:
        await tells_its_story(fake, url, address)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(
            ["gunicorn", "--preload", "--workers=2", "--threads=8", "-b127.0.0.1:PORT",
             "shop.wsgi"],
            id="wsgi", marks=needs_fork,
        ),
        pytest.param(["uvicorn", "--port", "PORT", "shop.asgi:application"], id="asgi"),
    ],
)  # fmt: skip
@pytest.mark.asyncio
async def test_django(fake, tmp_path, django, arguments):
    address, settings = django
    with serving(fake, *arguments, log=tmp_path / "log", folder=DJANGO, **settings) as url:
        await tells_its_story(fake, url, address)
        async with httpx.AsyncClient(base_url=url, timeout=60) as browser:
            answer = await browser.get("/api/scopes", headers=visit(fake, "beta"))
            assert answer.json() == {"scope": fake.scope}


def test_the_tests_of_the_django_example_pass(fake, django):
    status, printed = run(fake, "manage.py", "test", folder=DJANGO, **django[1])
    assert status == 0, printed
    assert "Ran 6 tests" in printed


def test_a_script(fake, tmp_path):
    async def prepare():
        async with open_session_storage(address, on_error="raise") as storage:
            for shop in ("alpha", "beta", "gamma", "idle"):
                await AccessTokenStore(storage).save(fake.install(shop))
            await expire(storage)
            fake.uninstall("gamma")
            await expire(storage, shop="idle")
            idle = await stored_in(storage, "idle")
            soon = datetime.now(UTC) + timedelta(days=3)
            await storage.store_session(replace(idle, refresh_token_expires=soon))

    address = file(tmp_path)
    asyncio.run(prepare())
    shops = ("alpha", "beta", "gamma", "delta")
    status, printed = run(fake, "script.py", *shops, DATABASE_URL=address)
    assert status == 1
    assert set(printed.splitlines()) >= {
        "alpha: Hello alpha",
        "beta: Hello beta",
        "gamma: gamma.myshopify.com: Shopify rejects the refresh token",
        "delta: has not installed the app",
    }
    assert fake.grants == {"alpha.myshopify.com": 1, "idle.myshopify.com": 1}


def test_every_readme_leads_to_the_examples_and_every_link_there_to_a_file():
    for package in environment.packages():
        assert "](../../tools/examples/README.md)" in (package / "README.md").read_text()
    for page in (EXAMPLES / "README.md", EXAMPLES.parent / "docs" / "guides" / "frameworks.md"):
        for link in re.findall(r"\]\(([^:)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).is_file(), link
