"""Requests per second of threaded apps that look up an access token in PostgreSQL.

python3 tools/bench/frameworks.py    about half a minute

The Flask example beside a Flask app that calls asyncio.run() for each request, and beside Django
with its ORM. Requests go to the WSGI applications in this process, from 32 threads: no web server
takes part. Rounds alternate, so that they share what the machine does meanwhile.
"""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

import environment  # noqa: E402  # it is beside the folder of this file

environment.enter()

import asyncio  # noqa: E402  # the environment comes first
import importlib  # noqa: E402
import os  # noqa: E402
import statistics  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from concurrent.futures import ThreadPoolExecutor  # noqa: E402
from typing import Any  # noqa: E402
from urllib.parse import unquote, urlsplit  # noqa: E402

from flask import Flask  # noqa: E402
from servers.postgresql import POSTGRESQL  # noqa: E402
from shopify_session_storage import offline_session_id, open_session_storage  # noqa: E402
from shopify_session_storage.testing import FakeShopify  # noqa: E402
from werkzeug.test import create_environ, run_wsgi_app  # noqa: E402

EXAMPLES = environment.ROOT / "tools" / "examples"
THREADS, SHOPS, SECONDS, ROUNDS = 32, 100, 1.5, 4

App = Callable[..., Any]


def main() -> None:
    """Measure all, and print what came out."""
    with POSTGRESQL.run() as url, FakeShopify() as fake:
        os.environ.update(settings(url, fake))
        sys.path[:0] = [str(EXAMPLES), str(EXAMPLES / "django_app")]
        flask_app = importlib.import_module("flask_app")
        for number in range(SHOPS):
            flask_app.tokens.save(fake.install(f"shop-{number}"))
        apps = {
            "the Flask example": the_example(flask_app),
            "Flask, asyncio.run() for each request": with_asyncio_run(url),
            "Django's ORM, a connection for each request": with_orm(0),
            "Django's ORM, CONN_MAX_AGE=None": with_orm(None),
        }
        # The threads of an app stay: each has its own of Django's connections.
        threads = {name: ThreadPoolExecutor(THREADS) for name in apps}
        rates: dict[str, list[float]] = {name: [] for name in apps}
        for _ in range(ROUNDS):
            for name, app in apps.items():
                rates[name].append(requests_per_second(app, threads[name]))
        for name, measured in rates.items():
            low, high = min(measured), max(measured)
            middle = statistics.median(measured)
            print(f"{name:45} {middle:6.0f} requests a second ({low:.0f} to {high:.0f})")


def settings(url: str, fake: FakeShopify) -> dict[str, str]:
    """Return what the examples read from the environment."""
    parts = urlsplit(url)
    return {
        "SHOPIFY_API_KEY": fake.client_id,
        "SHOPIFY_API_SECRET": fake.client_secret,
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "shop.settings",
        "DJANGO_SECRET_KEY": "of-a-benchmark",
        "PGHOST": str(parts.hostname),
        "PGPORT": str(parts.port),
        "PGUSER": unquote(str(parts.username)),
        "PGPASSWORD": unquote(str(parts.password)),
        "PGDATABASE": unquote(parts.path[1:]),
    }


def the_example(flask_app: Any) -> App:
    """Return the example with a view that only looks up a token."""

    def token(shop: str) -> str:
        return str(flask_app.tokens.get(shop).token)

    app: App = flask_app.app
    flask_app.app.add_url_rule("/token/<shop>", view_func=token)
    return app


def with_asyncio_run(url: str) -> App:
    """Return an app with a storage for each request, since one belongs to one event loop."""
    app = Flask("asyncio_run")

    async def load(shop: str) -> str:
        async with open_session_storage(url, on_error="raise") as storage:
            session = await storage.load_session(offline_session_id(f"{shop}.myshopify.com"))
            assert session is not None
            return str(session.access_token)

    @app.get("/token/<shop>")
    def token(shop: str) -> str:
        return asyncio.run(load(shop))

    return app


def with_orm(max_age: int | None) -> App:
    """Return a Django app that reads the same table."""
    import django
    from django.core.handlers.wsgi import WSGIHandler
    from django.db import connections
    from django.http import HttpRequest, HttpResponse
    from django.urls import path

    django.setup()
    sessions = importlib.import_module("shop.models").ShopifySession.objects

    def token(_: HttpRequest, shop: str) -> HttpResponse:
        session = sessions.get(pk=offline_session_id(f"{shop}.myshopify.com"))
        return HttpResponse(session.access_token)

    urls = importlib.import_module("shop.urls")
    if not any(str(pattern.pattern) == "token/<shop>" for pattern in urls.urlpatterns):
        urls.urlpatterns.append(path("token/<shop>", token))
    handler = WSGIHandler()

    def app(*arguments: Any) -> Any:
        # Each thread has a connection of its own, with settings of its own.
        connections["default"].settings_dict["CONN_MAX_AGE"] = max_age
        return handler(*arguments)

    return app


def requests_per_second(app: App, threads: ThreadPoolExecutor) -> float:
    """Let all threads send requests for a while."""
    end = time.monotonic() + SECONDS

    def send(first: int) -> int:
        number = first
        while time.monotonic() < end:
            environ = create_environ(f"/token/shop-{number % SHOPS}", "http://localhost")
            body, status, _ = run_wsgi_app(app, environ, buffered=True)
            assert status.startswith("200"), status
            assert b"".join(body).startswith(b"shpat_")
            number += 1
        return number - first

    began = time.monotonic()
    done = sum(threads.map(send, range(THREADS)))
    return done / (time.monotonic() - began)


if __name__ == "__main__":
    main()
