"""The examples without a web server: Celery's forked children, and Lambda's handler."""

import asyncio
import importlib.util
import json
import os
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from celery import Celery
from servers.redis import connect
from shopify_session_storage import open_session_storage
from shopify_session_storage.access_tokens import AccessTokenStore
from shopify_session_storage.testing.shopify import FakeShopify, shops_at

from .access_tokens_processes import expire, stored_in
from .examples_running import EXAMPLES, at_work, visit, webhook

CHILDREN, TASKS = 4, 40


@pytest.fixture
def fake():
    with FakeShopify() as fake:
        yield fake


@pytest.fixture
def broker(redis_url):
    """Return the URL of a Redis database that no other test uses."""
    url = urlsplit(redis_url)._replace(path="/7").geturl()
    with connect(url) as server:
        server.flushdb()
        yield url
        server.flushdb()


async def prepared(fake, address, shop="alpha"):
    """Let a shop have a token that has expired, and return it."""
    async with open_session_storage(address, on_error="raise") as storage:
        if await stored_in(storage, shop) is None:
            await AccessTokenStore(storage).save(fake.install(shop))
        return (await expire(storage, shop=shop)).access_token


async def now_stored(address, shop="alpha"):
    async with open_session_storage(address, on_error="raise") as storage:
        return await stored_in(storage, shop)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_celery(fake, broker, tmp_path):
    """Tasks of all children at once, whose token has expired: one request to Shopify."""
    old = asyncio.run(prepared(fake, broker))
    client = Celery("jobs", broker=broker, backend=broker)
    queue = f"queue-{uuid4().hex}"
    tasks = [client.send_task("greet", ["alpha"], queue=queue) for _ in range(TASKS)]
    with at_work(
        fake, "celery", "--app", "celery_app", "worker", f"--concurrency={CHILDREN}",
        "--queues", queue, "--loglevel=INFO", "--without-gossip", "--without-mingle",
        "--prefetch-multiplier=1",
        log=tmp_path / "log", ready=lambda log: " ready." in log,
        DATABASE_URL=broker, BROKER_URL=broker,
    ):  # fmt: skip
        assert {task.get(timeout=120) for task in tasks} == {"Hello alpha"}
        assert fake.requests == {"alpha.myshopify.com": 1}
        new = asyncio.run(now_stored(broker))
        assert new.access_token != old
        assert fake.takes_refresh_token("alpha", new.refresh_token)

        fake.uninstall("alpha")
        task = client.send_task("greet", ["alpha"], queue=queue)
        assert task.get(timeout=60) == "alpha has to open the app"
        task = client.send_task("greet", ["nobody"], queue=queue)
        assert task.get(timeout=60) == "nobody has uninstalled the app"
    printed = (tmp_path / "log").read_text()
    workers = {line.split("ForkPoolWorker-")[1].split("]")[0]
               for line in printed.splitlines() if "Hello alpha" in line}  # fmt: skip
    assert len(workers) > 1, printed
    client.close()


def event(path, headers, method="GET", body=""):
    """Return what AWS gives the handler for a request."""
    return json.loads(
        json.dumps(
            {
                "version": "2.0",
                "rawPath": path,
                "rawQueryString": "",
                "headers": {name.lower(): value for name, value in headers.items()},
                "requestContext": {
                    "domainName": "app.lambda-url.example",
                    "http": {"method": method, "path": path},
                },
                "body": body,
                "isBase64Encoded": False,
            }
        )
    )


def test_lambda(fake, tmp_path, monkeypatch):
    address = f"sqlite:///{(tmp_path / 's.db').as_posix()}"
    monkeypatch.setenv("SHOPIFY_API_KEY", fake.client_id)
    monkeypatch.setenv("SHOPIFY_API_SECRET", fake.client_secret)
    monkeypatch.setenv("DATABASE_URL", address)
    place = importlib.util.spec_from_file_location("one", EXAMPLES / "lambda_function.py")
    function = importlib.util.module_from_spec(place)
    place.loader.exec_module(function)

    def greeted():
        answer = function.handler(event("/app", visit(fake)), None)
        assert answer["statusCode"] == 200
        return answer["body"]

    with shops_at(fake.url):
        assert function.handler(event("/app", {}), None)["statusCode"] in (302, 401)
        assert function.handler(event("/nothing", {}), None) == {"statusCode": 404}
        for _ in range(20):
            assert greeted() == "Hello alpha"
        asyncio.run(asyncio.sleep(0))  # an event loop of somebody else's comes and goes
        assert fake.requests == {"alpha.myshopify.com": 1}
        for number in range(2, 5):
            asyncio.run(prepared(fake, address))
            assert greeted() == greeted() == "Hello alpha"
            assert fake.requests == {"alpha.myshopify.com": number}
        # Due, but valid: nothing goes on when the handler has returned.
        asyncio.run(expire_in_a_minute(address))
        greeted()
        assert fake.requests == {"alpha.myshopify.com": 5}
        stored = asyncio.run(now_stored(address))
        assert fake.takes_refresh_token("alpha", stored.refresh_token)
        fake.uninstall("alpha")
        assert greeted() == "Hello alpha"
        told = webhook(fake, stored.expires)
        request = event(
            "/webhooks/app/uninstalled", told["headers"], "POST", told["content"].decode()
        )
        assert function.handler(request, None)["statusCode"] == 200
    assert asyncio.run(now_stored(address)) is None
    function.storage.disconnect()


async def expire_in_a_minute(address):
    async with open_session_storage(address, on_error="raise") as storage:
        await expire(storage, 60)
