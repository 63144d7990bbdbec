"""URLs, credentials and arguments: honoured, or refused without showing them."""

import inspect
import warnings
from urllib.parse import unquote, urlsplit

import pytest
from pymongo import AsyncMongoClient, MongoClient
from pymongo.errors import OperationFailure, PyMongoError
from servers.discovery import free_port
from servers.mongodb import connect
from shopify_session_storage import SessionStorageUnavailableError, open_session_storage
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_mongodb import MongoDBSessionStorage

from .conftest import SHOP, assert_shows_no


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
