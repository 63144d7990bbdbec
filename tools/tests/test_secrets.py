"""What error reporters see of a failure, with the real ones at their defaults: no token, ever."""

import io
import json
import logging
import sqlite3
import sys
import traceback
from datetime import UTC, datetime, timedelta

import loguru
import pytest
import rich.console
import rich.traceback
import sentry_sdk
import structlog
from servers.places import NETWORKED, behind_proxy, place
from shopify_session_storage import Session, SessionStorageError, open_session_storage

ACCESS, REFRESH, PASSWORD = "shpat_0123456789abcdef", "shprt_0123456789abcdef", "pa55-w0rd/"
SECRETS = (ACCESS, REFRESH, PASSWORD)
SHOP = "a.myshopify.com"


def session(**changes):
    fields = {
        "id": f"offline_{SHOP}",
        "shop": SHOP,
        "state": "",
        "is_online": False,
        "access_token": ACCESS,
        "refresh_token": REFRESH,
        "expires": datetime.now(UTC) + timedelta(hours=1),
    }
    return Session(**(fields | changes))


class Sentry(sentry_sdk.Transport):
    """Keeps what would be sent."""

    def __init__(self):
        super().__init__()
        self.sent = []

    def capture_envelope(self, envelope):
        self.sent.append(envelope.serialize().decode())


@pytest.fixture(scope="module")
def sentry():
    transport = Sentry()
    sentry_sdk.init(dsn="https://key@sentry.invalid/1", transport=transport)
    yield transport
    sentry_sdk.init()


def told(error, sentry):
    """Return what each reporter makes of an error that is being handled."""
    texts = {}
    sentry.sent.clear()
    sentry_sdk.capture_exception(error)
    sentry_sdk.flush()
    texts["sentry-sdk"] = " ".join(sentry.sent)

    logger = structlog.wrap_logger(
        structlog.PrintLogger(io.StringIO()), processors=[structlog.processors.dict_tracebacks]
    )
    _, event = logger.bind()._process_event("error", "failed", {"exc_info": error})
    texts["structlog"] = json.dumps(event, default=str)

    output = io.StringIO()
    console = rich.console.Console(file=output, width=500)
    console.print(
        rich.traceback.Traceback.from_exception(
            type(error), error, error.__traceback__, show_locals=True
        )
    )  # fmt: skip
    texts["rich"] = output.getvalue()

    output = io.StringIO()
    handler = loguru.logger.add(output)
    loguru.logger.opt(exception=error).error("failed")
    loguru.logger.remove(handler)
    texts["loguru"] = output.getvalue()

    texts["the standard library"] = "".join(
        traceback.TracebackException.from_exception(error, capture_locals=True).format()
    )
    assert all(type(error).__name__ in text for text in texts.values())
    return texts


async def failures(storage, sentry):
    """Call what writes and reads, and return which reporters tell a secret of which failure."""
    mine = session()
    calls = {
        "load": lambda: storage.load_session(mine.id),
        "find": lambda: storage.find_sessions_by_shop(SHOP),
        "compare_and_store": lambda: storage.compare_and_store(mine, session(state="old")),
        "compare_and_delete": lambda: storage.compare_and_delete(mine),
        "delete": lambda: storage.delete_session(mine.id),
        "store": lambda: storage.store_session(mine),
        "ready": storage.ready,
    }
    leaks = {}
    for name, call in calls.items():
        try:
            await call()
        except SessionStorageError as error:
            leaks[name] = leaking(error, sentry)
    return leaks


def leaking(error, sentry):
    """Return the reporters that tell a secret. Nothing else, which the next report would show."""
    return [
        reporter
        for reporter, text in told(error, sentry).items()
        if any(secret in text for secret in SECRETS)
    ]


def check(leaks, *, at_least=1):
    assert len(leaks) >= at_least
    assert {name: reporters for name, reporters in leaks.items() if reporters} == {}


@pytest.mark.parametrize("backend", NETWORKED)
@pytest.mark.asyncio
async def test_a_server_that_is_gone(backend, request, tmp_path, sentry, caplog):
    caplog.set_level(logging.DEBUG, "shopify_session_storage")
    server = request.getfixturevalue(f"{backend}_url")
    async with behind_proxy(server) as (url, proxy):
        url, options = place(backend, url, tmp_path)
        storage = open_session_storage(url, timeout=timedelta(seconds=5), **options)
        await storage.store_session(session())
        proxy.refuse()
        check(await failures(storage, sentry), at_least=7)
        await storage.disconnect()
    assert not any(secret in caplog.text for secret in SECRETS)


@pytest.mark.parametrize("backend", NETWORKED)
@pytest.mark.asyncio
async def test_a_connection_that_is_silent(backend, request, tmp_path, sentry):
    server = request.getfixturevalue(f"{backend}_url")
    async with behind_proxy(server) as (url, proxy):
        url, options = place(backend, url, tmp_path)
        storage = open_session_storage(url, timeout=timedelta(seconds=0.5), **options)
        await storage.store_session(session())
        proxy.freeze()
        check(await failures(storage, sentry), at_least=6)
        proxy.thaw()
        await storage.disconnect()


@pytest.mark.asyncio
async def test_a_table_that_is_gone(tmp_path, sentry):
    url, options = place("sqlite", "", tmp_path, "gone")
    async with open_session_storage(url, **options) as storage:
        with sqlite3.connect(tmp_path / "gone.db") as connection:
            connection.execute("DROP TABLE shopify_sessions")
        connection.close()
        check(await failures(storage, sentry), at_least=6)


@pytest.mark.asyncio
async def test_stored_data_that_cannot_be_read(tmp_path, sentry):
    url, options = place("sqlite", "", tmp_path, "corrupt")
    async with open_session_storage(url, **options) as storage:
        await storage.store_session(session())
        with sqlite3.connect(tmp_path / "corrupt.db") as connection:
            connection.execute("UPDATE shopify_sessions SET state = X'ff'")
        connection.close()
        check(await failures(storage, sentry))


PARTS = f"//user:{PASSWORD}@localhost"


# By number: a parameter of the test itself would be in pytest's own frames.
ADDRESSES = (
    f"postgresql:{PARTS}:port/database",
    f"postgresql:{PARTS}/database?no_such_parameter=1",
    f"mysql:{PARTS}:port/database",
    f"mysql:{PARTS}/database?ssl-no-such-parameter=1",
    f"redis:{PARTS}:port/0",
    f"redis:{PARTS}/0?db=none",
    f"mongodb:{PARTS}:port/database",
    f"mongodb:{PARTS}/database?no_such_parameter=1",
    f"dynamodb:{PARTS}/table",
    f"cloudflare-kv:{PARTS}/namespace",
    f"sqlite:{PARTS}/file.db",
    f"memory:{PARTS}",
    f"no-such-scheme:{PARTS}",
)


def _address(number):
    return ADDRESSES[number]


@pytest.mark.parametrize("number", range(len(ADDRESSES)))
def test_an_address_that_cannot_be_used(number, sentry):
    try:
        open_session_storage(_address(number))
    except ValueError as error:
        check({"open": leaking(error, sentry)})
    else:
        pytest.fail("it was taken")


def test_the_reporters_would_tell(sentry):
    """What these tests look for is there, if nobody hides it."""

    def fail(value):
        raise SessionStorageError(str(len(value)))

    try:
        fail(f"{ACCESS}!")
    except SessionStorageError as error:
        texts = told(error, sentry)
    sys.last_exc = None
    assert [name for name, text in texts.items() if ACCESS not in text] == []
