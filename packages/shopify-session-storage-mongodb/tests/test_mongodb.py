"""What is particular to MongoDB: documents, indexes, duplicates, clients, errors."""

import asyncio
import gc
import inspect
import json
import logging
import subprocess
import sys
import textwrap
import warnings
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import unquote, urlsplit

import golden
import pytest
from bson import Int64, ObjectId, encode
from bson.datetime_ms import DatetimeMS
from bson.errors import InvalidDocument
from bson.json_util import JSONOptions, loads
from bson.raw_bson import RawBSONDocument
from hypothesis import HealthCheck, given, settings
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient, MongoClient
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure, PyMongoError
from servers import mongodb as servers
from servers.discovery import free_port
from servers.disturbing import bear_cancellations, bear_cuts, follow_to_a_new_loop, keep_the_order
from servers.mongodb import connect
from shopify_session_storage import (
    CorruptSessionError,
    OnlineAccessInfo,
    Session,
    SessionStorageError,
    SessionStorageUnavailableError,
    open_session_storage,
)
from shopify_session_storage.testing.sessions import EXPIRES, offline_session, online_session
from shopify_session_storage.testing.strategies import sessions
from shopify_session_storage_mongodb import MongoDBSessionStorage

from .conftest import on_each_server, through, with_options

SHOP = "alpha.myshopify.com"
DATA = Path(__file__).parent / "data"


@given(session=sessions())
@settings(
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@pytest.mark.asyncio
async def test_what_is_stored_comes_back(mongodb_url, session: Session):
    async with MongoDBSessionStorage(mongodb_url, on_error="raise") as storage:
        await storage.store_session(session)
        assert session == await storage.load_session(session.id)  # no field of the layout is lost
        assert [session] == await storage.find_sessions_by_shop(session.shop)
        await storage.delete_session(session.id)
        assert await storage.find_sessions_by_shop(session.shop) == []


# --- documents ------------------------------------------------------------------------------------


@pytest.fixture(params=["motor", "pymongo"])
def client_class(request):
    """Return the class of a client that a user may pass."""
    return {"motor": AsyncIOMotorClient, "pymongo": AsyncMongoClient}[request.param]


async def close(client: AsyncIOMotorClient | AsyncMongoClient) -> None:
    closing = await asyncio.to_thread(client.close)  # Motor's waits for the server itself
    if closing is not None:
        await closing


def from_extended_json(value):
    return loads(json.dumps(value), json_options=JSONOptions(tz_aware=True))


@pytest.mark.asyncio
async def test_documents_of_the_javascript_adapter_are_read(
    mongodb_url, raw, collection, client_class
):
    documents = golden.load(DATA / "golden" / "documents.json")
    stored = [document["stored_canonical_extended_json"] for document in documents]
    raw.insert_many(from_extended_json(stored))
    expected = golden.load(DATA / "golden" / "expected_loads.json")
    found = [one for shop in expected["findSessionsByShop"].values() for one in shop]
    for one in [*expected["loadSession"].values(), *found]:
        if one is not None and one["isOnline"]:  # the contract gives each of those some user data
            one.setdefault("onlineAccessInfo", {"associated_user": {}})
    client = client_class(mongodb_url)
    storage = MongoDBSessionStorage(client, session_collection_name=collection, on_error="raise")
    await golden.assert_loads(storage, expected)
    loaded = await storage.load_session("bigid-store.myshopify.com_2147483653")
    assert type(loaded.online_access_info.associated_user.id) is int
    await close(client)


@pytest.mark.asyncio
async def test_documents_are_what_the_javascript_adapter_writes(storage, raw):
    for document in golden.load(DATA / "golden" / "documents.json"):
        sent = from_extended_json(document["sent_canonical_extended_json"])
        session = Session.from_dict(sent)
        if session.is_online and session.online_access_info is None:
            sent["onlineAccessInfo"] = {"associated_user": {}}
        await storage.store_session(session)
        stored = raw.find_one({"id": session.id})
        assert isinstance(stored.pop("_id"), ObjectId)
        assert stored == sent
        assert list(stored) == list(sent)


@pytest.mark.asyncio
async def test_documents_are_replaced_as_a_whole_and_keep_their_key(storage, raw):
    raw.insert_one({"_id": "own key", "id": "it", "shop": SHOP, "ttl": 1, "scope": "read_orders"})
    session = offline_session(
        SHOP, id="it", scope="", refresh_token="", refresh_token_expires=None,
        expires=datetime(2031, 1, 2, 3, 4, 5, 678_999, tzinfo=timezone(timedelta(hours=5))),
        online_access_info=OnlineAccessInfo(expires_in=5),
    )  # fmt: skip
    await storage.store_session(session)
    assert list(raw.find()) == [
        {
            "_id": "own key",
            "id": "it",
            "shop": SHOP,
            "state": "nonce",
            "isOnline": False,
            "scope": "",
            "expires": datetime(2031, 1, 1, 22, 4, 5, 678_000, tzinfo=UTC),
            "accessToken": session.access_token,
            "refreshToken": "",
        }
    ]


@pytest.mark.asyncio
async def test_every_way_to_write_a_session_is_read(storage, raw):
    user = {"id": Int64(2**53 - 1), "first_name": None, "nickname": "x", "email": "a@b.example"}
    raw.insert_one(
        {
            "id": "it", "shop": SHOP, "state": "", "isOnline": True, "scope": None,
            "expires": EXPIRES, "accessToken": "token", "createdAt": 1, "extra": {"a": [1]},
            "onlineAccessInfo": {"associated_user": user, "expires_in": 86399.0, "session": "x"},
        }
    )  # fmt: skip
    loaded = await storage.load_session("it")
    info = loaded.online_access_info
    assert (info.associated_user.id, info.expires_in) == (2**53 - 1, 86399)
    assert type(info.associated_user.id) is type(info.expires_in) is int
    assert (loaded.scope, info.associated_user.first_name) == (None, None)
    assert loaded.expires == EXPIRES
    raw.update_one({"id": "it"}, {"$set": {"isOnline": False}})
    assert (await storage.load_session("it")).online_access_info is None


GOOD = {"id": "it", "shop": SHOP, "state": "", "isOnline": False, "accessToken": "shpat_secret"}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "changes",
    [{"shop": 7}, {"state": None}, {"isOnline": "shpat_secret"}, {"expires": "shpat_secret"},
     {"expires": 1795264496123}, {"accessToken": ["shpat_secret"]},
     {"isOnline": True, "onlineAccessInfo": "shpat_secret"},
     {"isOnline": True, "onlineAccessInfo": {"associated_user": {"id": "shpat_secret"}}},
     {"isOnline": True, "onlineAccessInfo": {"associated_user": {"id": 1.5}}}],
)  # fmt: skip
async def test_unreadable_session_fails_only_its_own_caller(
    mongodb_url, storage, raw, changes, caplog
):
    raw.insert_one(GOOD | changes)
    async with MongoDBSessionStorage(mongodb_url, session_collection_name=raw.name) as other:
        assert await other.load_session("it") is None
    assert "cannot be read" in caplog.text
    assert "secret" not in caplog.text
    await assert_unreadable(storage, raw)


async def assert_unreadable(storage, raw) -> None:
    good = offline_session("beta.myshopify.com")
    await storage.store_session(good)
    ids = [good.id, "it", good.id, "missing"]
    results = await asyncio.gather(*map(storage.load_session, ids), return_exceptions=True)
    assert good.equals(results[0])
    assert good.equals(results[2])
    assert results[3] is None
    error = results[1]
    assert isinstance(error, CorruptSessionError)
    assert "'it'" in str(error)
    assert "secret" not in f"{error!r} {error.__cause__!r} {error.__context__!r}"
    await storage.store_session(offline_session(SHOP, id="it"))  # replaces it
    assert await storage.load_session("it") is not None


@pytest.mark.asyncio
async def test_date_that_python_lacks_fails_only_its_own_caller(storage, raw):
    raw.insert_one(GOOD | {"expires": DatetimeMS(8_640_000_000_000_000)})  # JavaScript's last
    await assert_unreadable(storage, raw)


@pytest.mark.asyncio
async def test_text_that_is_no_utf8_fails_only_its_own_caller(storage, raw, only_mongodb):
    text = encode(GOOD | {"_id": 1, "scope": "broken!"})
    raw.insert_one(RawBSONDocument(text.replace(b"broken!", b"broken\xff")))
    await assert_unreadable(storage, raw)


# --- indexes and duplicates -----------------------------------------------------------------------


@pytest.mark.asyncio
async def test_start_makes_the_indexes_once(mongodb_url, collection, raw):
    for _ in range(2):
        async with MongoDBSessionStorage(mongodb_url, session_collection_name=collection):
            pass
    indexes = raw.index_information()
    assert sorted(indexes) == ["_id_", "id_1", "shop_1"]
    assert indexes["id_1"]["unique"] is True
    assert not indexes["shop_1"].get("unique")
    raw.insert_one({"id": "a"})
    with pytest.raises(DuplicateKeyError):
        raw.insert_one({"id": "a"})


@pytest.mark.asyncio
async def test_indexes_of_the_user_are_used(mongodb_url, collection, raw):
    raw.create_index("id", unique=True, name="mine")
    raw.create_index([("shop", 1), ("expires", -1)], name="mine too")
    async with MongoDBSessionStorage(mongodb_url, session_collection_name=collection):
        assert sorted(raw.index_information()) == ["_id_", "mine", "mine too"]


@pytest.mark.asyncio
async def test_index_that_is_not_unique_does_not_stop_the_start(
    mongodb_url, collection, raw, caplog
):
    raw.create_index("id")
    async with MongoDBSessionStorage(mongodb_url, session_collection_name=collection) as storage:
        assert await storage.store_session(offline_session(SHOP)) is True
    # Servers differ in whether there may be both.
    is_unique = any(index.get("unique") for index in raw.index_information().values())
    assert is_unique or "another index is in the way" in caplog.text


@pytest.mark.asyncio
async def test_duplicates_are_reduced_to_the_newest(mongodb_url, collection, raw, caplog):
    def document(id: str, token: str, expires: datetime | None = None) -> dict[str, object]:
        dates = {} if expires is None else {"expires": expires}
        return {**GOOD, "id": id, "accessToken": token, **dates}

    later = EXPIRES + timedelta(milliseconds=1)
    raw.insert_many(
        [
            document("only", "only"),
            document("dates", "older", EXPIRES), document("dates", "newer", later),
            document("dates", "oldest"), document("dates", "old", EXPIRES),
            document("first", "in use"), document("first", "never used"),
            {"something": "else"},
        ]
    )  # fmt: skip
    async with MongoDBSessionStorage(
        mongodb_url, session_collection_name=collection, on_error="raise"
    ) as storage:
        tokens = {id: (await storage.load_session(id)).access_token for id in ("only", "dates")}
        assert tokens == {"only": "only", "dates": "newer"}
        assert (await storage.load_session("first")).access_token == "in use"
        assert len(await storage.find_sessions_by_shop(SHOP)) == 3
        assert raw.index_information()["id_1"]["unique"] is True
    assert raw.count_documents({}) == 4
    warnings = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert sorted(warnings) == [
        "mongodb: session 'dates' was stored 4 times; kept the newest",
        "mongodb: session 'first' was stored 2 times; kept the newest",
    ]


# Forks, since it takes a second to import the driver.
PROCESSES = """
    import asyncio, os, sys
    from datetime import timedelta
    from shopify_session_storage.testing.sessions import online_session
    from shopify_session_storage_mongodb import MongoDBSessionStorage

    async def main(url, collection, number):
        storage = MongoDBSessionStorage(
            url, session_collection_name=collection, on_error="raise", timeout=timedelta(seconds=60)
        )
        os.read(start, 1)
        async with storage:
            {work}

    start, starting = os.pipe()
    children = []
    for number in range(1, int(sys.argv[3]) + 1):
        children.append(os.fork())
        if not children[-1]:
            os.close(starting)
            asyncio.run(main(*sys.argv[1:3], number))
            os._exit(0)
    os.close(starting)  # all of them at once
    print([os.waitpid(child, 0)[1] for child in children])
"""


async def run_processes(count: int, work: str, url: str, collection: str) -> None:
    indented = textwrap.indent(textwrap.dedent(work), " " * 12).strip()
    source = textwrap.dedent(PROCESSES.replace("{work}", indented))
    command = [sys.executable, "-c", source, url, collection, str(count)]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == f"{[0] * count}\n", done.stderr


@on_each_server
@pytest.mark.asyncio
async def test_twenty_processes_start_at_once_on_duplicates(mongodb_url, collection, raw):
    raw.insert_many([{**GOOD, "accessToken": str(number)} for number in range(5)])
    work = 'await storage.store_session(online_session("shop", number))'
    await run_processes(20, work, mongodb_url, collection)
    assert raw.index_information()["id_1"]["unique"] is True
    assert raw.count_documents({"shop": "shop"}) == 20
    assert [one["accessToken"] for one in raw.find({"id": "it"})] == ["0"]


@on_each_server
@pytest.mark.asyncio
async def test_eight_processes_that_store_and_delete_lose_nothing(mongodb_url, collection, raw):
    work = f"""
        mine = [online_session("{SHOP}", number * 1000 + n) for n in range(8)]
        for n in range(8):
            await storage.store_session(mine[n])
            await storage.store_session(online_session("{SHOP}", n % 3))
            if n % 2:
                await storage.delete_session(mine[n].id)
                await storage.delete_session("{SHOP}_" + str(number % 3))
    """
    await run_processes(8, work, mongodb_url, collection)
    ids = [document["id"] for document in raw.find()]
    assert len(ids) == len(set(ids))
    own = {f"{SHOP}_{number * 1000 + n}" for number in range(1, 9) for n in range(0, 8, 2)}
    assert own <= set(ids) <= own | {f"{SHOP}_{n}" for n in range(3)}


@pytest.mark.asyncio
async def test_groups_that_race_for_new_ids_all_succeed(mongodb_url, collection, raw):
    storages = [
        MongoDBSessionStorage(mongodb_url, session_collection_name=collection, on_error="raise")
        for _ in range(6)
    ]
    for turn in range(10):
        many = [online_session(SHOP, turn * 100 + user) for user in range(20)]
        stores = [storage.store_session(one) for one in many for storage in storages]
        assert all(await asyncio.gather(*stores))
        assert raw.count_documents({}) == 20 * (turn + 1)
    for storage in storages:
        await storage.disconnect()


@pytest.mark.asyncio
async def test_refusal_by_an_index_of_the_user_fails_only_its_own_caller(
    mongodb_url, collection, raw, storage, caplog
):
    raw.create_index("accessToken", unique=True)
    taken = offline_session(SHOP, access_token="shpat_secret")
    await storage.store_session(taken)
    clash = online_session(SHOP, access_token="shpat_secret")
    with pytest.raises(SessionStorageError) as caught:
        await storage.store_session(clash)
    assert not isinstance(caught.value, SessionStorageUnavailableError)
    assert_shows_no(caught.value, "secret")
    async with MongoDBSessionStorage(mongodb_url, session_collection_name=collection) as other:
        with caplog.at_level(logging.INFO):
            assert await other.store_session(clash) is False
    assert "secret" not in caplog.text


@pytest.mark.asyncio
async def test_bad_document_in_a_group_fails_only_its_own_caller(
    collection, raw, storage, only_mongodb, caplog
):
    raw.database.command("collMod", collection, validator={"scope": {"$ne": "refused"}})
    many = [online_session(SHOP, user) for user in range(20)]
    many[7].scope = "refused"
    results = await asyncio.gather(*map(storage.store_session, many), return_exceptions=True)
    error = results.pop(7)
    assert results == [True] * 19
    assert type(error) is SessionStorageError
    assert "Document failed validation" in str(error)
    assert_shows_no(error, many[7].access_token)
    assert len(await storage.find_sessions_by_shop(SHOP)) == 19


def assert_shows_no(error: BaseException | None, secret: str) -> None:
    """Check all that an error and what led to it could show."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        assert secret not in f"{error} {error!r} {error.args} {vars(error)}"
        assert secret not in str(getattr(error, "details", ""))
        error = error.__cause__ or error.__context__


@pytest.mark.asyncio
async def test_collection_with_a_collation_compares_exactly(
    mongodb_url, collection, raw, only_mongodb
):
    raw.database.create_collection(collection, collation={"locale": "en", "strength": 1})
    for _ in range(2):
        async with MongoDBSessionStorage(
            mongodb_url, session_collection_name=collection, on_error="raise"
        ) as storage:
            many = [offline_session("s", id=id) for id in ("a", "A", "á")]
            assert all(await asyncio.gather(*map(storage.store_session, many)))
            assert all(many[0].equals(await storage.load_session("a")) for _ in range(2))
            await storage.delete_session("A")
            assert {one.id for one in await storage.find_sessions_by_shop("s")} == {"a", "á"}
            assert await storage.find_sessions_by_shop("S") == []


# --- rights ---------------------------------------------------------------------------------------


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
async def test_what_makes_the_index_impossible_does_not_stop_the_start(
    mongodb_url, collection, raw, caplog
):
    raw.insert_many([{"not": "a session"}, {"not": "one either"}])
    async with MongoDBSessionStorage(mongodb_url, session_collection_name=collection) as storage:
        assert await storage.store_session(offline_session(SHOP)) is True
    assert "several documents have the same id, or have none" in caplog.text


# --- round trips and load -------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_every_operation_is_one_round_trip(mongodb_url, collection, raw, proxy):
    # The driver's own connections, which watch the server, would be counted, too.
    url = with_options(
        through(proxy, mongodb_url),
        "directConnection=true&heartbeatFrequencyMS=600000&serverMonitoringMode=poll",
    )
    async with MongoDBSessionStorage(
        url, session_collection_name=collection, on_error="raise"
    ) as storage:
        many = [online_session(SHOP, user) for user in range(50)]
        for session in many:
            await storage.store_session(session)
        for call in (
            lambda: storage.store_session(many[0]),
            lambda: storage.load_session(many[0].id),
            lambda: storage.load_session("missing"),
            lambda: storage.find_sessions_by_shop(SHOP),
            lambda: storage.delete_session(many[0].id),
            lambda: storage.delete_sessions(session.id for session in many),
        ):
            proxy.reset()
            await call()
            assert proxy.round_trips == 1
            assert proxy.connections == 0
        await asyncio.gather(*map(storage.store_session, many))
        proxy.reset()
        await asyncio.gather(*map(storage.store_session, many))
        assert proxy.round_trips <= 4
        proxy.reset()
        loaded = await asyncio.gather(*(storage.load_session(session.id) for session in many))
        assert proxy.round_trips <= 4
        assert all(one.equals(other) for one, other in zip(many, loaded, strict=True))


@pytest.mark.asyncio
async def test_load_find_and_delete_use_an_index(storage, raw, only_mongodb):
    await storage.store_session(offline_session(SHOP))
    for condition in ({"id": "a"}, {"id": {"$in": ["a", "b"]}}, {"shop": "a"}):
        assert "IXSCAN" in str(raw.find(condition).explain())
        assert "COLLSCAN" not in str(raw.find(condition).explain())


@pytest.mark.asyncio
async def test_big_shops_and_many_ids(storage, raw):
    await storage.store_session(online_session(SHOP, 0))
    document = raw.find_one({"id": f"{SHOP}_0"})
    raw.insert_many(
        [{**document, "_id": user, "id": f"{SHOP}_{user}"} for user in range(1, 10_000)]
    )
    found = await storage.find_sessions_by_shop(SHOP)
    assert len({one.id for one in found}) == 10_000
    ids = [f"{SHOP}_{user}" for user in range(10_000)]
    loaded = await asyncio.gather(*map(storage.load_session, ids[:1000]))
    assert [one.id for one in loaded] == ids[:1000]
    assert await storage.delete_sessions(ids) is True
    assert raw.count_documents({}) == 0


# --- lost connections, cancelled callers, event loops ---------------------------------------------


@pytest.mark.asyncio
async def test_lost_connections_never_reach_the_caller(
    mongodb_url, collection, raw, proxy, client_class
):
    client = client_class(through(proxy, mongodb_url), directConnection=True)
    storage = MongoDBSessionStorage(client, session_collection_name=collection, on_error="raise")
    await bear_cuts(storage, proxy.cut, times=1)
    await close(client)


@pytest.mark.asyncio
async def test_storage_survives_a_restart_of_the_server(mongodb_url, tmp_path):
    port = free_port()
    server = servers.ferretdb(tmp_path, port=port)
    url = server.__enter__()
    async with MongoDBSessionStorage(
        with_options(url, "serverSelectionTimeoutMS=500"), on_error="raise"
    ) as storage:
        many = [online_session(SHOP, user) for user in range(20)]
        await asyncio.gather(*map(storage.store_session, many))
        await asyncio.to_thread(server.__exit__, None, None, None)
        with pytest.raises(SessionStorageUnavailableError, match="refused"):
            await storage.load_session(many[0].id)
        with servers.ferretdb(tmp_path, port=port):
            loaded = await asyncio.gather(*(storage.load_session(one.id) for one in many))
            assert all(one.equals(other) for one, other in zip(many, loaded, strict=True))
            assert await storage.store_session(many[0]) is True


# PyMongo leaves the socket of a connection that is cancelled as it is made to the collector.
leaves_sockets = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@leaves_sockets
@pytest.mark.asyncio
async def test_cancelled_calls_never_mix_up_answers(mongodb_url, collection, raw, client_class):
    client = client_class(mongodb_url)
    storage = MongoDBSessionStorage(client, session_collection_name=collection, on_error="raise")
    await bear_cancellations(storage, times=60)
    await close(client)
    gc.collect()


@pytest.mark.asyncio
async def test_cancelled_store_is_never_overtaken_by_the_next(
    mongodb_url, collection, raw, client_class
):
    client = client_class(mongodb_url)
    storage = MongoDBSessionStorage(client, session_collection_name=collection, on_error="raise")
    await keep_the_order(storage)
    await close(client)


def test_storage_follows_to_a_new_event_loop_without_disconnect(mongodb_url, collection, raw):
    follow_to_a_new_loop(
        MongoDBSessionStorage(mongodb_url, session_collection_name=collection, on_error="raise")
    )


# --- arguments and errors -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["", "localhost", "mysql://user:sekret@host/1", "mongodb://user:sek/re$t@host/db",
     "mongodb://user:sek?ret=@host/db", "mongodb://user:se@kret@host/db", "mongodb://:sekret@host/d",
     "mongodb://u:sekret@host:0/db", "mongodb://u:sekret@host:name/db", "mongodb://u:sekret@/db",
     "mongodb://u:sekret@host/db?no_such_option=sekret", "mongodb://u:sekret@host/db?tls=sekret",
     "mongodb://u:sekret@host/db?sekret", "mongodb+srv://u:sekret@host:27017/db",
     "mongodb://u:sekret@host/d$b", "mongodb://u:sekret@[::1/db", "mongodb://u:a@sekret?x=y@host/d",
     "mongodb://u:sekret@host/db?readPreference=sekret", "mongodb://u:sekret@host/db?w=&sekret=1@"],
)  # fmt: skip
def test_bad_url_is_refused_without_showing_it(url):
    with pytest.raises(ValueError, match="MongoDB") as caught:
        MongoDBSessionStorage(url)
    error = caught.value
    assert not isinstance(error, PyMongoError)
    assert "sek" not in f"{error!r} {error.__cause__!r} {error.__context__!r}"
    frames = inspect.getinnerframes(error.__traceback__)
    assert not any("sek" in repr(one.frame.f_locals) for one in frames[1:])


@pytest.mark.parametrize(
    "query",
    [
        "retryWrites=true&w=majority&appName=Cluster0",  # Atlas
        "ssl=true&replicaSet=globaldb&retrywrites=false&maxIdleTimeMS=120000&appName=@account@",
        "tls=true&authMechanism=SCRAM-SHA-256&retrywrites=false&maxIdleTimeMS=120000",
        "tls=true&replicaSet=rs0&readPreference=secondaryPreferred&retryWrites=false",
        "useNewUrlParser=true&useUnifiedTopology=true&keepAlive=true&poolSize=5",  # of Node's
        "authSource=admin&readPreference=nearest&readPreferenceTags=dc:ny&readPreferenceTags=",
        "",
    ],
)
def test_ready_made_urls_of_hosts_work(query):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MongoDBSessionStorage(f"mongodb://account:key==@a.example:10255,b.example/db?{query}")


def test_shorter_names_of_nodes_driver_count_too():
    storage = MongoDBSessionStorage("mongodb://host/db?j=true&wtimeout=50&w=2")
    concern = storage._collection.write_concern
    assert concern.document == {"j": True, "wtimeout": 50, "w": 2}


def test_unknown_parameter_is_named_with_those_that_are_known():
    with pytest.raises(ValueError, match=r"'tlscafiles'.*known are: .*tlscafile") as caught:
        MongoDBSessionStorage("mongodb://user:sekret@host/db?w=1&tlsCAFiles=/sekret")
    assert "sekret" not in str(caught.value)


def test_bad_arguments_are_refused():
    for bad in (None, 7, b"mongodb://host/db", MongoClient(connect=False)):
        with pytest.raises(TypeError, match="url must be"):
            MongoDBSessionStorage(bad)
    for url in ("mongodb://host", "mongodb://host/", "mongodb://host/?tls=true"):
        with pytest.raises(ValueError, match="no database"):
            MongoDBSessionStorage(url)
    with pytest.raises(ValueError, match="no database"):
        MongoDBSessionStorage(AsyncMongoClient("mongodb://host"))
    for name in ("", "a b", "a.b", "a$b", "a/b", "a\0"):
        with pytest.raises(ValueError, match="atabase"):
            MongoDBSessionStorage("mongodb://host/db", name)
    for name in ("", "a$b", "a..b", ".a", "a\0", "\ud800"):
        with pytest.raises(ValueError, match="ollection"):
            MongoDBSessionStorage("mongodb://host/db", session_collection_name=name)
    with pytest.raises(TypeError, match="database must be"):
        MongoDBSessionStorage("mongodb://host/db", 7)
    with pytest.raises(TypeError, match="session_collection_name must be"):
        MongoDBSessionStorage("mongodb://host/db", session_collection_name=None)
    with pytest.raises(ValueError, match="on_error"):
        MongoDBSessionStorage("mongodb://host/db", on_error="ignore")
    with pytest.raises(TypeError, match="timeout"):
        MongoDBSessionStorage("mongodb://host/db", timeout=5)


def test_constructor_needs_neither_network_nor_event_loop():
    storage = MongoDBSessionStorage("mongodb+srv://user:sekret@cluster.example.invalid/db?w=1")
    assert repr(storage) == "<MongoDBSessionStorage on cluster.example.invalid/db>"
    storage = MongoDBSessionStorage("mongodb://u:sekret@one:27017,two/from_url?replicaSet=r", "db")
    assert repr(storage) == "<MongoDBSessionStorage on one:27017,two/db>"


@pytest.mark.asyncio
async def test_argument_wins_over_the_database_of_the_url(mongodb_url, collection):
    name = f"other-{free_port()}"
    with connect(mongodb_url) as client:
        async with MongoDBSessionStorage(
            mongodb_url, name, session_collection_name=collection, on_error="raise"
        ) as storage:
            await storage.store_session(offline_session(SHOP))
        assert client[name][collection].count_documents({}) == 1
        assert client.get_default_database()[collection].count_documents({}) == 0
        client.drop_database(name)


@pytest.mark.asyncio
async def test_storage_opens_by_url(mongodb_url, collection, raw):
    async with open_session_storage(
        mongodb_url, session_collection_name=collection, on_error="raise"
    ) as storage:
        assert isinstance(storage, MongoDBSessionStorage)
        await storage.store_session(offline_session(SHOP))
    assert raw.count_documents({}) == 1
    for scheme in ("mongodb+srv", "MongoDB"):
        assert isinstance(open_session_storage(f"{scheme}://host/db"), MongoDBSessionStorage)


@pytest.mark.asyncio
async def test_credentials_need_no_escaping(mongodb_url, collection, raw):
    parts = urlsplit(mongodb_url)
    # The stand-ins know no users, and say so; that, too, must not show the password.
    user, password = unquote(parts.username or "se:k@ret"), unquote(parts.password or "s%e/kret?")
    storage = MongoDBSessionStorage.with_credentials(
        parts.hostname, raw.database.name, user, password, port=parts.port,
        session_collection_name=collection, on_error="raise",
    )  # fmt: skip
    assert repr(storage) == (
        f"<MongoDBSessionStorage on {parts.hostname}:{parts.port}/{raw.database.name}>"
    )
    if parts.username:
        async with storage:
            await storage.store_session(offline_session(SHOP))
        assert raw.count_documents({}) == 1
    else:
        with pytest.raises(SessionStorageUnavailableError) as caught:
            await storage.ready()
        assert isinstance(caught.value.__cause__, OperationFailure)
        assert_shows_no(caught.value, "kret")


@pytest.mark.asyncio
async def test_wrong_password_is_told_without_showing_it(mongodb_url, only_mongodb):
    address = mongodb_url.rpartition("@")[2]
    with pytest.raises(SessionStorageUnavailableError, match="Authentication failed") as caught:
        await MongoDBSessionStorage(f"mongodb://user:sekret@{address}").ready()
    assert_shows_no(caught.value, "sekret")


SECRET = {"accessToken": "shpat_secret"}


@pytest.mark.parametrize(
    ("error", "described"),
    [
        (
            DuplicateKeyError(
                'E11000 duplicate key error index: x dup key: { x: "shpat_secret" }',
                11000, {"code": 11000, "keyValue": SECRET, "op": {"u": SECRET}},
            ),
            "DuplicateKeyError (11000 DuplicateKey): E11000 duplicate key error index: x dup key:",
        ),
        (
            OperationFailure(
                'not authorized on a to execute command { find: "shpat_secret" }', 13, {"a": SECRET}
            ),
            "OperationFailure (13 Unauthorized): not authorized on a to execute command",
        ),
        (
            BulkWriteError({"writeErrors": [{"code": 121, "op": SECRET}]}),
            "BulkWriteError (121 DocumentValidationFailure): batch op errors occurred",
        ),
        (InvalidDocument("cannot encode object: shpat_secret", SECRET), "InvalidDocument"),
    ],
)  # fmt: skip
def test_errors_show_nothing_of_what_was_sent(error, described):
    assert "secret" in str(error)
    storage = MongoDBSessionStorage("mongodb://host/db")
    assert storage._describe(error) == described
    storage._scrub(error)
    assert storage._describe(error) == described
    assert_shows_no(error, "secret")
