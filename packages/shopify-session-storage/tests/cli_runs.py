"""What the tests of ``shopify-sessions`` share: sessions with marked tokens, and runs."""

import asyncio
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

from shopify_session_storage import (
    AssociatedUser,
    OnlineAccessInfo,
    Session,
    offline_session_id,
    online_session_id,
    open_session_storage,
)
from shopify_session_storage.cli import main

ACCESS = "shpat_0123456789abcdef0123456789abcdef"
REFRESH = "shprt_fedcba9876543210fedcba9876543210"
NOW = datetime.now(UTC).replace(microsecond=0)


def offline(name="alpha", **changes):
    """An offline session in the best of health."""
    shop = f"{name}.myshopify.com"
    fields = {
        "id": offline_session_id(shop),
        "shop": shop,
        "state": "",
        "is_online": False,
        "scope": "read_products",
        "expires": NOW + timedelta(minutes=50),
        "access_token": ACCESS,
        "refresh_token": REFRESH,
        "refresh_token_expires": NOW + timedelta(days=80),
    }
    return Session(**(fields | changes))


def online(name="alpha", user=7, **changes):
    shop = f"{name}.myshopify.com"
    fields = {
        "id": online_session_id(shop, user),
        "is_online": True,
        "expires": NOW + timedelta(hours=20),
        "refresh_token": None,
        "refresh_token_expires": None,
        "online_access_info": OnlineAccessInfo(AssociatedUser(id=user, first_name="Zoë")),
    }
    return offline(name, **(fields | changes))


def url_of(path):
    return f"sqlite:///{path.as_posix()}"


def store(path, *sessions):
    async def work():
        async with open_session_storage(url_of(path), on_error="raise") as storage:
            await asyncio.gather(*map(storage.store_session, sessions))

    asyncio.run(work())


def load(path, id):
    async def work():
        async with open_session_storage(url_of(path), on_error="raise") as storage:
            return await storage.load_session(id)

    return asyncio.run(work())


def sql(path, *statements):
    with closing(sqlite3.connect(path)) as connection, connection:
        return [connection.execute(statement).fetchall() for statement in statements]


class Run:
    """A run of the command in this process."""

    def __init__(self, capsys, *words):
        capsys.readouterr()
        try:
            self.code = int(main([str(word) for word in words]))
        except SystemExit as ended:  # argparse's
            self.code = int(ended.code)
        self.out, self.err = capsys.readouterr()

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]


def copy(capsys, old, new, *words):
    return Run(capsys, "copy", url_of(old), url_of(new), *words)
