"""Tables of Prisma and Drizzle: many sessions, all variants, and what a Node app does meanwhile.

``python3 tools/test.py interop -- --times 500`` stores 500 sessions each way, in each table.
"""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from interop.app_tables import APP_TABLES, app_table
from interop.differences import FINDING_25
from interop.peer import PeerError
from shopify_app import ShopifyApp
from shopify_session_storage import SessionStorageError
from shopify_session_storage.access_tokens import AccessTokenStore
from shopify_session_storage.testing.sessions import offline_session, online_session, unique
from shopify_session_storage.testing.shopify import FakeShopify

from .many import all_there_and_gone
from .reading import found_ids

pytestmark = pytest.mark.asyncio

KINDS = ("sqlite", "postgresql", "mysql")
TEMPLATE = {"model": "templateSession", "table": "TemplateSession"}
RENAMED = {"model": "renamedSession", "table": "shopify_app_sessions"}
ZONED = {"model": "zonedSession", "table": "ZonedSession"}
OTHER_MODELS = [
    *(app_table(f"prisma {kind}", "prisma", kind, **TEMPLATE) for kind in KINDS),
    *(app_table(f"prisma {kind}", "prisma", kind, **RENAMED) for kind in KINDS),
    app_table("prisma postgresql", "prisma", "postgresql", **ZONED),
]
OF_OTHER_MODELS = [
    pytest.param(table, id=f"{table.id}-{model}")
    for table, model in zip(
        OTHER_MODELS, [*["template"] * 3, *["renamed"] * 3, "zoned"], strict=True
    )
]
FORMS = ("iso8601", "unixepoch-ms")


def known_flag(session):
    """Return what a column that is NOT NULL makes of a flag that is unknown."""
    info = session.online_access_info
    if info is None or info.associated_user.account_owner is not None:
        return session
    user = replace(info.associated_user, account_owner=False)
    return replace(session, online_access_info=replace(info, associated_user=user))


@pytest.mark.parametrize("writer", ["JavaScript", "Python"])
@pytest.mark.parametrize("backend", OF_OTHER_MODELS)
async def test_many_sessions_of_other_models(backend, writer, javascript, python, space, times):
    is_template = space.javascript["model"] == TEMPLATE["model"]
    change = known_flag if is_template else lambda session: session
    await all_there_and_gone(backend, writer, javascript, python, times, change)


@pytest.mark.parametrize("backend", [APP_TABLES[0]], ids=["prisma-sqlite"])
async def test_both_forms_of_dates_in_one_column(space, peer, python, times):
    """Two Node apps with different settings and ours write; each reads what all of them wrote."""
    async with (
        peer.open("prisma", {**space.javascript, "timestampFormat": FORMS[0]}) as iso,
        peer.open("prisma", {**space.javascript, "timestampFormat": FORMS[1]}) as milliseconds,
    ):
        everybody, shop = (iso, milliseconds, python), unique("shop")
        stored = [
            replace(one, shop=shop)
            for one in (offline_session(unique("shop")) for _ in range(max(times // 4, 8)))
        ]
        for number, session in enumerate(stored):
            await everybody[number % 3].store_session(session)
        for reader in everybody:
            for session in stored:
                assert await reading_of(reader, session) == session
        # A row changes its form with its writer, and is compared in either.
        for number, session in enumerate(stored):
            new = replace(session, access_token=unique("shpat"))
            assert await python.compare_and_store(new, session)
            assert not await python.compare_and_store(session, session)
            stored[number] = replace(new, access_token=unique("shpat"))
            await everybody[(number + 1) % 3].store_session(stored[number])
        for reader in everybody:
            for session in stored:
                assert await reading_of(reader, session) == session
        found = {one.id: one for one in await python.find_sessions_by_shop(shop)}
        assert found == {one.id: one for one in stored}


async def reading_of(storage, session):
    return await storage.load_session(session.id)


@pytest.mark.parametrize("backend", APP_TABLES, ids=lambda backend: backend.id)
async def test_finds_are_complete(backend, javascript, python):
    shop = unique("shop")
    stored = [online_session(shop, user) for user in range(40)] + [offline_session(shop)]
    await asyncio.gather(*map(javascript.store_session, stored))
    ids = {session.id for session in stored}
    assert await found_ids(python, shop) == ids
    found = await found_ids(javascript, shop)
    assert len(found) == 25 if backend.name in FINDING_25 else found == ids


@pytest.mark.parametrize("backend", APP_TABLES, ids=lambda backend: backend.id)
async def test_a_refresh_is_seen_by_the_other_side(javascript, python):
    """The app stores an expired pair; the worker refreshes it; the app goes on with the new one."""
    with FakeShopify(retry="new") as fake:
        app = ShopifyApp(fake.client_id, fake.client_secret)
        async with (
            fake.client() as client,
            AccessTokenStore(python, app, http_client=client) as ours,
        ):
            await ours.save(fake.install("alpha"))
            session = await python.load_session("offline_alpha.myshopify.com")
            expired = replace(session, expires=datetime(2025, 1, 2, tzinfo=UTC))
            await javascript.store_session(expired)
            got = await ours.get("alpha")
            loaded = await javascript.load_session(session.id)
            assert loaded == await python.load_session(session.id)
            assert loaded.access_token == got["token"] != session.access_token
            assert fake.takes_refresh_token("alpha", loaded.refresh_token)
            await javascript.delete_session(session.id)
            assert await python.load_session(session.id) is None


@pytest.mark.parametrize("backend", [APP_TABLES[-1]], ids=["drizzle-mysql"])
async def test_dates_that_a_column_cannot_hold(backend, javascript, python):
    session = offline_session(unique("shop"))
    late = replace(session, expires=backend.latest + timedelta(seconds=1))
    for storage, error in ((javascript, PeerError), (python, SessionStorageError)):
        with pytest.raises(error):
            await storage.store_session(late)
        assert await storage.load_session(session.id) is None
        await storage.store_session(replace(session, expires=backend.latest))
        await storage.delete_session(session.id)
