"""A storage opens once for all who call, and is closed again where that fails."""

import asyncio
import sys

import pytest
from shopify_session_storage import MigrationError, SessionStorageUnavailableError

from .five_calls import SESSION
from .scripted import ConnectionLostError, DriverError, ScriptedStorage, settle, spawn
from .shields import watch_shields


@pytest.fixture
def storage():
    return ScriptedStorage()


def test_the_constructor_needs_no_event_loop_and_sends_nothing():
    assert ScriptedStorage().calls == []


@pytest.mark.parametrize("on_error", ["ignore", None, "LOG", ["log"]])
def test_an_invalid_on_error_is_refused(on_error):
    with pytest.raises(ValueError, match="on_error must be"):
        ScriptedStorage(on_error=on_error)


@pytest.mark.asyncio
async def test_fifty_first_calls_open_once(storage):
    gate = storage.hold("open")
    storage.rows[SESSION.id] = SESSION
    calls = spawn(*(storage.load_session(SESSION.id) for _ in range(49)), storage.ready())
    await settle()
    assert storage.calls == [("open", None)]
    gate.set()
    *loaded, _ = await asyncio.gather(*calls)
    assert all(session.equals(SESSION) for session in loaded)
    assert storage.count("open") == 1


@pytest.mark.asyncio
async def test_a_cancelled_first_caller_leaves_opening_to_the_others(storage):
    gate = storage.hold("open")
    first, second = spawn(storage.load_session("a"), storage.load_session("b"))
    await settle()
    first.cancel()
    await settle()
    gate.set()
    assert await second is None
    assert first.cancelled()
    assert storage.calls == [("open", None), ("load", ["b"])]


@pytest.mark.asyncio
async def test_a_failed_opening_fails_all_who_wait_is_closed_and_tried_again(storage):
    storage.errors["open"] = [DriverError("refused")]
    calls = spawn(storage.load_session("a"), storage.store_session(SESSION), storage.ready())
    for outcome in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(outcome, SessionStorageUnavailableError)
        assert isinstance(outcome.__cause__, DriverError)
    assert storage.calls == [("open", None), ("close", None)]
    assert await storage.store_session(SESSION) is True
    assert [name for name, _ in storage.calls[2:]] == ["open", "store"]


@pytest.mark.asyncio
async def test_closing_what_is_half_open_may_fail_without_hiding_why(storage, caplog):
    storage.errors["open"] = [DriverError("refused")]
    storage.errors["close"] = [DriverError("secret")]
    with pytest.raises(SessionStorageUnavailableError, match="could not load session 'a'"):
        await storage.load_session("a")
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert "close the storage cleanly" in record.getMessage()
    assert "secret" not in record.getMessage()


@pytest.mark.asyncio
async def test_a_failed_opening_that_nobody_waits_for_is_not_reported_to_the_loop(
    storage, monkeypatch
):
    reported = watch_shields(monkeypatch)
    gate = storage.hold("open")
    storage.errors["open"] = [DriverError("refused")]
    [call] = spawn(storage.load_session("a"))
    await settle()
    call.cancel()
    gate.set()
    await settle()
    assert storage.count("close") == 1
    assert reported == []


@pytest.mark.parametrize("on_error", ["log", "raise"])
@pytest.mark.parametrize("hook", ["open", "ping"])
@pytest.mark.asyncio
async def test_ready_raises_in_both_modes_and_is_ready_never(on_error, hook):
    storage = ScriptedStorage(on_error=on_error)
    storage.failing[hook] = lambda _: DriverError("secret")
    with pytest.raises(SessionStorageUnavailableError, match="could not get ready") as e:
        await storage.ready()
    assert isinstance(e.value.__cause__, DriverError)
    assert await storage.is_ready() is False
    storage.failing[hook] = lambda _: ZeroDivisionError()
    assert await storage.is_ready() is False
    with pytest.raises(ZeroDivisionError):
        await storage.ready()
    del storage.failing[hook]
    assert await storage.is_ready() is True


@pytest.mark.asyncio
async def test_ready_repeats_a_lost_ping_once(storage):
    storage.errors["ping"] = [ConnectionLostError()]
    await storage.ready()
    assert [name for name, _ in storage.calls] == ["open", "ping", "recover", "ping"]


@pytest.mark.asyncio
async def test_an_error_of_core_keeps_its_own_cause_and_kind(storage):
    driver = DriverError("no such table")
    error = MigrationError("migration 'x' failed")
    error.__cause__ = driver
    storage.errors["open"] = [error]
    with pytest.raises(MigrationError) as caught:
        await storage.load_session("a")
    assert caught.value.__cause__ is driver


@pytest.mark.skipif(sys.version_info < (3, 12), reason="there are no eager tasks")
@pytest.mark.asyncio
async def test_eager_tasks_that_end_at_once_do_no_harm(storage):
    async def work():
        return "done"

    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    storage.errors["open"] = [DriverError("refused")]
    with pytest.raises(SessionStorageUnavailableError):
        await storage.load_session("a")
    assert await storage.load_session("a") is None
    assert await storage._lifecycle.instead(work) == "done"
    assert await storage.load_session("a") is None
    await storage.disconnect()
    assert not storage.connected
