"""Collections of their own for tests, and what looks at the documents."""

import asyncio
import gc
from datetime import UTC, timedelta
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest
import pytest_asyncio
from bson.codec_options import CodecOptions
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from servers.mongodb import connect, ferretdb, is_mongodb
from servers.proxy import Proxy
from shopify_session_storage_mongodb import MongoDBSessionStorage

from .between import Between

# Runs a test twice: on the usual server, and on FerretDB where the usual one is a stand-in, too.
on_each_server = pytest.mark.parametrize("mongodb_url", ["usual", "ferretdb"], indirect=True)
SHOP = "alpha.myshopify.com"
GOOD = {"id": "it", "shop": SHOP, "state": "", "isOnline": False, "accessToken": "shpat_secret"}


@pytest.fixture(scope="session")
def mongodb_url(request, mongodb_url, tmp_path_factory):
    """Return the URL of the server that the test asks for, or of the usual one."""
    if getattr(request, "param", "usual") == "usual":
        yield mongodb_url
        return
    if is_mongodb(mongodb_url):
        pytest.skip("needs no stand-in, MongoDB itself is here")
    with ferretdb(tmp_path_factory.mktemp("ferretdb")) as url:
        yield url


LEAVES_SOCKETS = [
    pytest.mark.filterwarnings("ignore:unclosed <socket.socket:ResourceWarning"),
    pytest.mark.usefixtures("collected"),
]
"""Marks of tests in which PyMongo leaves the socket to the garbage collector, where a caller gives
up, or the connection is cut, while PyMongo makes it."""


@pytest.fixture(scope="module")
def collected():
    """Collect what a module's tests have left, or the warning would end another module's test."""
    yield
    gc.collect()


@pytest.fixture
def collection() -> str:
    """Return the name of a collection that no other test uses, with characters that need care."""
    return f"test 'é {uuid4().hex}"


@pytest.fixture
def eager_driver(monkeypatch):
    """Let the driver look again after a moment, not half a second, when it has lost a server."""
    monkeypatch.setattr("pymongo.common.MIN_HEARTBEAT_INTERVAL", 0.02)


@pytest.fixture
def raw(mongodb_url, collection):
    """Return the collection as the driver without an event loop sees it, to look and to write."""
    with connect(mongodb_url) as client:
        found = client.get_default_database().get_collection(
            collection, codec_options=CodecOptions(tz_aware=True, tzinfo=UTC)
        )
        yield found
        found.drop()


@pytest.fixture
def only_mongodb(mongodb_url):
    """Skip a test of what the stand-ins do not have."""
    if not is_mongodb(mongodb_url):
        pytest.skip("needs MongoDB itself; the stand-ins lack it")


@pytest_asyncio.fixture
async def storage(mongodb_url, collection, raw):
    """Return a storage that raises failures, with a collection of its own."""
    async with MongoDBSessionStorage(
        mongodb_url, session_collection_name=collection, on_error="raise"
    ) as storage:
        yield storage


@pytest_asyncio.fixture
async def proxy(mongodb_url):
    """Return a proxy in front of the server."""
    parts = urlsplit(mongodb_url)
    async with Proxy(parts.hostname, parts.port) as proxy:
        yield proxy


def through(proxy: Proxy, url: str) -> str:
    """Return *url* with the address of the proxy."""
    parts = urlsplit(url)
    login, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login}{at}127.0.0.1:{proxy.port}"))


def with_options(url: str, options: str) -> str:
    """Return *url* with further options of the driver."""
    return f"{url}{'&' if '?' in url else '?'}{options}"


def counted(proxy: Proxy, url: str) -> str:
    """Return *url* through *proxy*, where nothing but calls makes round trips from now on.

    The driver's own connections, which watch the server, would be counted, too.
    """
    return with_options(
        through(proxy, url),
        "directConnection=true&heartbeatFrequencyMS=600000&serverMonitoringMode=poll",
    )


@pytest.fixture(params=["motor", "pymongo"])
def client_class(request):
    """Return the class of a client that a user may pass."""
    return {"motor": AsyncIOMotorClient, "pymongo": AsyncMongoClient}[request.param]


@pytest_asyncio.fixture
async def between(mongodb_url, eager_driver):
    """Return what stands between a storage and the server."""
    parts = urlsplit(mongodb_url)
    async with Between(parts.hostname, parts.port) as between:
        yield between


@pytest.fixture
def make(mongodb_url, collection, raw, between):
    """Return what makes a storage that raises failures, with a collection of its own."""

    def make(seconds: float = 10, **options) -> MongoDBSessionStorage:
        return MongoDBSessionStorage(
            through(between, mongodb_url),
            **{
                "session_collection_name": collection,
                "on_error": "raise",
                "timeout": timedelta(seconds=seconds),
                **options,
            },
        )

    return make


async def close(client: AsyncIOMotorClient | AsyncMongoClient) -> None:
    closing = await asyncio.to_thread(client.close)  # Motor's waits for the server itself
    if closing is not None:
        await closing


def assert_shows_no(error: BaseException | None, secret: str) -> None:
    """Check all that an error and what led to it could show."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        assert secret not in f"{error} {error!r} {error.args} {vars(error)}"
        assert secret not in str(getattr(error, "details", ""))
        error = error.__cause__ or error.__context__
