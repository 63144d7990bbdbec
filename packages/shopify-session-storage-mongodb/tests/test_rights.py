"""Users who may not do everything."""

from urllib.parse import urlsplit

import pytest
from servers.discovery import free_port
from shopify_session_storage import SessionStorageUnavailableError
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_mongodb import MongoDBSessionStorage

from .between import always, failure
from .conftest import GOOD, SHOP

SESSION = offline_session(SHOP)


@pytest.mark.asyncio
async def test_user_without_the_right_to_create_is_told_what_to_run(
    mongodb_url, collection, raw, only_mongodb, caplog
):
    database, name = raw.database, f"limited-{free_port()}"
    privilege = {
        "resource": {"db": database.name, "collection": collection},
        "actions": ["find", "insert", "update", "remove"],
    }
    database.command("createRole", name, privileges=[privilege], roles=[])
    database.command("createUser", name, pwd="limited", roles=[name])
    address = urlsplit(mongodb_url).netloc.rpartition("@")[2]
    url = f"mongodb://{name}:limited@{address}/{database.name}"
    async with MongoDBSessionStorage(
        url, session_collection_name=collection, on_error="raise"
    ) as storage:
        session = offline_session(SHOP)
        await storage.store_session(session)
        assert session.equals(await storage.load_session(session.id))
        raw.insert_many([{**GOOD, "accessToken": token} for token in ("in use", "never used")])
        assert (await storage.load_session("it")).access_token == "in use"
        assert len(await storage.find_sessions_by_shop(SHOP)) == 2
    assert "createIndex({id: 1}, {unique: true})" in caplog.text
    assert "the user may not" in caplog.text
    database.command("dropUser", name)
    database.command("dropRole", name)


@pytest.mark.asyncio
@pytest.mark.parametrize("code", [13, 8000])
async def test_indexes_that_the_user_may_not_make_are_named(make, between, caplog, code):
    text = "user is not allowed to do action [createIndex] on [app.shopify_sessions]"
    between.refuse = always(failure(code, text), ["createIndexes"])
    async with make() as storage:
        await storage.store_session(SESSION)
        assert SESSION.equals(await storage.load_session(SESSION.id))
    assert "the user may not" in caplog.text
    assert "createIndex({id: 1}, {unique: true})" in caplog.text


@pytest.mark.asyncio
@pytest.mark.parametrize("code", [13, 18, 8000])
async def test_what_is_denied_is_told_at_once(make, between, code):
    async with make() as storage:
        between.refuse = always(failure(code, "not authorized on app to execute command"), ["find"])
        with pytest.raises(
            SessionStorageUnavailableError, match=rf"\({code} \w+\): not authorized"
        ):
            await storage.load_session(SESSION.id)
        assert between.commands.count("find") == 1
