"""disconnect() waits for what is under way, and the storage opens again."""

import asyncio

import pytest
from shopify_session_storage import SessionStorageUnavailableError
from shopify_session_storage.testing.sessions import offline_session

from .five_calls import five_calls
from .scripted import ConflictError, DriverError, ScriptedStorage, settle, spawn


@pytest.fixture
def storage():
    return ScriptedStorage()


@pytest.mark.asyncio
async def test_a_storage_that_cannot_be_entered_is_closed(storage):
    storage.errors["ping"] = [DriverError()]
    with pytest.raises(SessionStorageUnavailableError):
        async with storage:
            pytest.fail("entered")
    assert not storage.connected


@pytest.mark.asyncio
async def test_disconnect_is_idempotent_and_the_storage_opens_again(storage):
    await storage.disconnect()
    assert storage.calls == []
    async with storage as entered:
        assert entered is storage
        assert storage.connected
    assert not storage.connected
    await storage.disconnect()
    assert storage.count("close") == 1
    assert await storage.load_session("a") is None
    assert storage.connected
    await asyncio.gather(storage.disconnect(), storage.disconnect())
    assert storage.count("close") == 2


@pytest.mark.parametrize("hook", ["load", "store", "delete", "find"])
@pytest.mark.asyncio
async def test_disconnect_waits_for_what_is_under_way_and_waiting(storage, hook):
    await storage.ready()
    gate = storage.hold(hook)
    [call] = [call for name, call, _ in five_calls(storage) if name == hook][:1]
    calls = spawn(*(call() for _ in range(5)))
    await settle()
    [disconnecting] = spawn(storage.disconnect())
    await settle()
    assert storage.count("close") == 0
    gate.set()
    await disconnecting
    assert all(call.done() and not call.exception() for call in calls)
    assert [name for name, _ in storage.calls][-2:] == [hook, "close"]


@pytest.mark.asyncio
async def test_disconnect_waits_for_a_delete_of_many_parts(storage):
    gate = storage.hold("delete")
    [deleting] = spawn(storage.delete_sessions(f"id{number}" for number in range(1200)))
    await settle()
    [disconnecting] = spawn(storage.disconnect())
    await settle()
    gate.set()
    assert await deleting is True
    await disconnecting
    assert not storage.connected
    assert storage.count("delete") == 3
    assert storage.count("open") == storage.count("close") == 1


@pytest.mark.parametrize("hook", ["load", "store", "delete", "find"])
@pytest.mark.asyncio
async def test_disconnect_does_not_wait_for_callers_that_are_cancelled(storage, hook):
    await storage.ready()
    gate = storage.hold(hook)
    [call] = [call for name, call, _ in five_calls(storage) if name == hook][:1]
    calls = spawn(*(call() for _ in range(3)))
    await settle()
    for waiting in calls[1:]:
        waiting.cancel()
    await settle()
    [disconnecting] = spawn(storage.disconnect())
    await settle()
    gate.set()
    async with asyncio.timeout(5):
        await disconnecting
    assert not calls[0].exception()
    assert [name for name, _ in storage.calls] == ["open", "ping", hook, "close"]


@pytest.mark.asyncio
async def test_disconnect_does_not_wait_for_a_cancelled_caller_whose_call_conflicted(storage):
    await storage.ready()
    storage.failing["store"] = lambda _: ConflictError()
    [storing] = spawn(storage.store_session(offline_session("a.example")))
    async with asyncio.timeout(5):
        while not storage._lanes.writing._parked:
            await asyncio.sleep(0.01)
        storing.cancel()
        await storage.disconnect()
    assert not storage.connected


@pytest.mark.asyncio
async def test_disconnect_waits_for_a_ping(storage):
    gate = storage.hold("ping")
    [getting_ready] = spawn(storage.ready())
    await settle()
    [disconnecting] = spawn(storage.disconnect())
    await settle()
    assert storage.count("close") == 0
    gate.set()
    await asyncio.gather(getting_ready, disconnecting)
    assert [name for name, _ in storage.calls] == ["open", "ping", "close"]


@pytest.mark.asyncio
async def test_calls_during_a_disconnect_wait_for_its_end_and_open_again(storage):
    await storage.ready()
    gate = storage.hold("close")
    [disconnecting] = spawn(storage.disconnect())
    await settle()
    calls = spawn(storage.load_session("a"), storage.load_session("b"))
    await settle()
    assert storage.calls[-1] == ("close", None)
    gate.set()
    await asyncio.gather(disconnecting, *calls)
    names = [name for name, _ in storage.calls]
    assert names[2:] == ["close", "open", "load", "load"]
    assert storage.connected


@pytest.mark.asyncio
async def test_disconnect_during_the_first_calls_breaks_none_of_them(
    storage,
):
    gate = storage.hold("open")
    calls = spawn(*(storage.store_session(offline_session(f"{n}.example")) for n in range(5)))
    await settle()
    disconnecting = spawn(storage.disconnect(), storage.disconnect())
    await settle()
    gate.set()
    assert await asyncio.gather(*calls) == [True] * 5
    await asyncio.gather(*disconnecting)
    assert len(storage.rows) == 5
    await storage.disconnect()
    assert storage.count("open") == storage.count("close")
    assert not storage.connected


@pytest.mark.asyncio
async def test_a_failed_opening_during_a_disconnect_ends_both(storage):
    gate = storage.hold("open")
    storage.errors["open"] = [DriverError("refused")]
    [call] = spawn(storage.load_session("a"))
    await settle()
    [disconnecting] = spawn(storage.disconnect())
    await settle()
    gate.set()
    await disconnecting
    with pytest.raises(SessionStorageUnavailableError):
        await call
    assert await storage.load_session("a") is None


@pytest.mark.asyncio
async def test_a_cancelled_disconnect_goes_on(storage):
    await storage.ready()
    gate = storage.hold("close")
    [disconnecting] = spawn(storage.disconnect())
    await settle()
    disconnecting.cancel()
    await settle()
    gate.set()
    await storage.disconnect()
    assert disconnecting.cancelled()
    assert storage.count("close") == 1
    assert not storage.connected


@pytest.mark.asyncio
async def test_a_failure_to_close_is_logged_and_the_storage_opens_again(storage, caplog):
    await storage.ready()
    storage.errors["close"] = [DriverError("secret")]
    await storage.disconnect()
    [record] = caplog.records
    assert (record.name, record.levelname) == ("shopify_session_storage.scripted", "WARNING")
    assert await storage.load_session("a") is None
    assert storage.count("open") == 2
