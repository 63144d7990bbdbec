"""CustomSessionStorage: a storage made of callbacks."""

import json
from datetime import UTC, datetime

import pytest
from shopify_session_storage import CustomSessionStorage, InvalidSessionError, Session
from shopify_session_storage.testing.sessions import online_session

SESSION = Session(id="offline_s", shop="s", state="", is_online=False)

pytestmark = pytest.mark.asyncio


def failing(*args):
    raise AssertionError("a callback was called")


def make(**callbacks):
    return CustomSessionStorage(
        **{"store": failing, "load": failing, "delete": failing, **callbacks}
    )


def asynchronous(function):
    async def call(*args):
        return function(*args)

    return call


@pytest.mark.parametrize("kind", [lambda function: function, asynchronous])
async def test_callbacks_may_be_plain_or_async(kind):
    kept = {}

    def store(session):
        kept[session.id] = session
        return True

    def delete(id):
        kept.pop(id, None)
        return True

    def find(shop):
        return (session for session in kept.values() if session.shop == shop)

    storage = make(
        store=kind(store),
        load=kind(kept.get),
        delete=kind(delete),
        find_sessions_by_shop=kind(find),
    )
    async with storage:
        assert await storage.is_ready() is True
        assert await storage.store_session(SESSION) is True
        assert await storage.load_session("offline_s") is SESSION
        assert await storage.find_sessions_by_shop("s") == [SESSION]
        assert await storage.delete_session("offline_s") is True
        assert await storage.load_session("offline_s") is None
        assert await storage.find_sessions_by_shop("s") == []


@pytest.mark.parametrize(
    "spell", [str, datetime.isoformat, lambda date: date.isoformat()[:-6] + "Z"]
)
async def test_callbacks_may_keep_sessions_as_json(spell):
    """Dates in JSON are text: of str(), of isoformat(), or of JavaScript's toISOString()."""
    kept = {}

    def store(session):
        kept[session.id] = json.dumps(session.to_dict(), default=spell)
        return True

    storage = make(
        store=store,
        load=lambda key: json.loads(kept[key]),
        find_sessions_by_shop=lambda _: map(json.loads, kept.values()),
    )
    mine = online_session(
        "a.myshopify.com", expires=datetime(2030, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    )
    await storage.store_session(mine)
    assert (await storage.load_session(mine.id)).equals(mine)
    [found] = await storage.find_sessions_by_shop(mine.shop)
    assert found.equals(mine)
    assert found.expires == mine.expires
    assert found.expires.tzinfo is UTC


@pytest.mark.parametrize("date", ["2030-01-02T03:04:05", "tomorrow", "", 1893553445])
async def test_a_date_that_is_none_or_has_no_zone_is_refused(date):
    storage = make(load=lambda _: SESSION.to_dict() | {"expires": date})
    with pytest.raises(InvalidSessionError, match="expires"):
        await storage.load_session(SESSION.id)


async def test_a_dict_is_loaded_as_a_session():
    loaded = await make(load=lambda key: SESSION.to_dict()).load_session("offline_s")
    assert loaded == SESSION


async def test_a_dict_that_is_no_session_is_refused():
    with pytest.raises(InvalidSessionError):
        await make(load=lambda key: {"id": key}).load_session("offline_s")


async def test_anything_else_that_is_loaded_is_an_error_of_the_callback():
    with pytest.raises(TypeError, match="the load callback must give"):
        await make(load=lambda key: "session").load_session("offline_s")


async def test_without_a_callback_for_many_each_one_is_deleted():
    asked = []

    def delete(id):
        asked.append(id)
        return id != "b"

    storage = make(delete=delete)
    assert await storage.delete_sessions(["a", "b", "c", "a"]) is False
    assert asked == ["a", "b", "c"]
    assert await storage.delete_sessions(iter(["a", "c"])) is True


async def test_the_callback_for_many_gets_each_id_once():
    asked = []

    def delete_sessions(ids):
        asked.append(ids)
        return False

    storage = make(delete_sessions=delete_sessions)
    assert await storage.delete_sessions(id for id in ("a", "b", "a")) is False
    assert asked == [["a", "b"]]


async def test_deleting_nothing_asks_no_callback():
    assert await make(delete_sessions=failing).delete_sessions([]) is True
    assert await make().delete_sessions([]) is True


async def test_finding_needs_its_callback():
    with pytest.raises(NotImplementedError, match="find_sessions_by_shop"):
        await make().find_sessions_by_shop("s")


@pytest.mark.parametrize("result", [None, 1, "yes"])
async def test_callbacks_that_do_not_tell_success_are_wrong(result):
    storage = make(
        store=lambda session: result, delete=lambda key: result, delete_sessions=lambda ids: result
    )
    with pytest.raises(TypeError, match="the store callback must return a bool"):
        await storage.store_session(SESSION)
    with pytest.raises(TypeError, match="the delete callback must return a bool"):
        await storage.delete_session("a")
    with pytest.raises(TypeError, match="the delete_sessions callback must return a bool"):
        await storage.delete_sessions(["a"])


async def test_bad_arguments_reach_no_callback():
    storage = make(delete_sessions=failing, find_sessions_by_shop=failing)
    for call in (storage.load_session, storage.delete_session, storage.find_sessions_by_shop):
        with pytest.raises(TypeError):
            await call(None)
        with pytest.raises(ValueError, match="empty"):
            await call("")
    with pytest.raises(TypeError):
        await storage.delete_sessions("offline_s")
    with pytest.raises(TypeError):
        await storage.store_session(SESSION.to_dict())
    with pytest.raises(InvalidSessionError):
        await storage.store_session(Session(id="a", shop="a", state="", is_online=False))


async def test_what_a_callback_raises_reaches_the_caller():
    def broken(*args):
        raise OSError("backend down")

    storage = make(
        store=broken, load=asynchronous(broken), delete=broken, find_sessions_by_shop=broken
    )
    for call in (
        lambda: storage.store_session(SESSION),
        lambda: storage.load_session("a"),
        lambda: storage.delete_session("a"),
        lambda: storage.delete_sessions(["a"]),
        lambda: storage.find_sessions_by_shop("s"),
    ):
        with pytest.raises(OSError, match="backend down"):
            await call()
