"""BaseSessionStorage: lifecycle, retry and error policy, with a scripted adapter."""

import asyncio
import logging
import traceback

import pytest
from shopify_session_storage import (
    CorruptSessionError,
    MigrationError,
    SessionStorageError,
    SessionStorageUnavailableError,
)
from shopify_session_storage.testing.sessions import offline_session

from .scripted import ConnectionLostError, DataError, DriverError, ScriptedStorage, settle, spawn

SHOP = "a.myshopify.com"
SESSION = offline_session(SHOP)


def five_calls(storage):
    return [
        ("store", lambda: storage.store_session(SESSION), False),
        ("load", lambda: storage.load_session(SESSION.id), None),
        ("delete", lambda: storage.delete_session(SESSION.id), False),
        ("delete", lambda: storage.delete_sessions([SESSION.id]), False),
        ("find", lambda: storage.find_sessions_by_shop(SHOP), []),
    ]


@pytest.fixture
def storage():
    return ScriptedStorage()


# --- opening --------------------------------------------------------------------------------------


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
async def test_a_failed_opening_that_nobody_waits_for_is_not_reported_to_the_loop(storage):
    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
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


# --- closing --------------------------------------------------------------------------------------


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


# --- event loops ----------------------------------------------------------------------------------


def test_works_on_one_event_loop_after_another(storage):
    async def use():
        async with storage:
            return await storage.store_session(SESSION)

    assert asyncio.run(use()) is True
    assert asyncio.run(use()) is True
    assert [name for name, _ in storage.calls] == ["open", "ping", "store", "close"] * 2


def test_opens_anew_where_the_loop_it_was_open_on_has_ended(storage):
    assert asyncio.run(storage.store_session(SESSION)) is True
    assert asyncio.run(storage.load_session(SESSION.id)).equals(SESSION)
    asyncio.run(storage.disconnect())
    asyncio.run(storage.disconnect())
    assert [name for name, _ in storage.calls] == [
        *("open", "store", "abandon"),
        *("open", "load", "abandon"),
    ]


def test_calls_cut_off_with_their_loop_do_not_reach_into_the_next(storage):
    storage.max_groups = 1

    async def cut_off():
        storage.hold("load")
        spawn(*(storage.load_session(id) for id in "abc"))
        await settle()

    asyncio.run(cut_off())
    storage.gates.clear()
    assert storage.under_way == []
    assert asyncio.run(storage.load_session("a")) is None


@pytest.mark.asyncio
async def test_a_second_running_event_loop_is_refused_and_does_no_harm(storage):
    await storage.ready()
    for call in (
        storage.load_session("a"),
        storage.store_session(SESSION),
        storage.delete_session("a"),
        storage.find_sessions_by_shop(SHOP),
        storage.ready(),
        storage.disconnect(),
    ):
        with pytest.raises(RuntimeError, match="another running event loop"):
            await asyncio.to_thread(asyncio.run, call)
    assert await storage.load_session("a") is None
    await storage.disconnect()
    assert await asyncio.to_thread(asyncio.run, storage.load_session("a")) is None
    assert storage.count("open") == 2


# --- failures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", range(5))
@pytest.mark.asyncio
async def test_a_failure_is_logged_without_the_drivers_words(place, caplog):
    storage = ScriptedStorage(on_error="log")
    hook, call, expected = five_calls(storage)[place]
    storage.failing[hook] = lambda _: DriverError("secret")
    assert await call() == expected
    [record] = caplog.records
    assert (record.name, record.levelno) == ("shopify_session_storage.scripted", logging.ERROR)
    assert record.getMessage().startswith("scripted: could not ")
    assert record.getMessage().endswith(": DriverError no. 7")
    assert record.exc_info is None
    assert storage.count(hook) == 1


@pytest.mark.parametrize("place", range(5))
@pytest.mark.asyncio
async def test_a_failure_is_raised_with_the_scrubbed_cause(place, storage, caplog):
    hook, call, _ = five_calls(storage)[place]
    error = DriverError("secret")
    storage.errors[hook] = [error]
    with pytest.raises(SessionStorageUnavailableError, match="DriverError no") as caught:
        await call()
    assert caught.value.__cause__ is error
    assert storage.scrubbed == [error]
    assert "secret" not in "".join(traceback.format_exception(caught.value))
    assert caplog.records == []


@pytest.mark.asyncio
async def test_an_error_of_the_data_is_no_failure_of_the_backend(storage):
    storage.errors["store"] = [DataError("secret")]
    with pytest.raises(SessionStorageError) as caught:
        await storage.store_session(SESSION)
    assert type(caught.value) is SessionStorageError
    assert isinstance(caught.value.__cause__, DataError)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("on_error", ["log", "raise"])
@pytest.mark.asyncio
async def test_corrupt_data_follows_the_policy(on_error, caplog):
    storage = ScriptedStorage(on_error=on_error)
    storage.failing["load"] = lambda ids: CorruptSessionError(f"stored session {ids[0]!r}: why")
    if on_error == "raise":
        with pytest.raises(CorruptSessionError, match="stored session 'a': why"):
            await storage.load_session("a")
    else:
        assert await storage.load_session("a") is None
        assert "stored session 'a': why" in caplog.text


@pytest.mark.parametrize("place", range(5))
@pytest.mark.asyncio
async def test_a_lost_connection_is_tried_again_once(place, storage):
    hook, call, _ = five_calls(storage)[place]
    storage.errors[hook] = [ConnectionLostError("secret")]
    await call()
    assert [name for name, _ in storage.calls] == ["open", hook, "recover", hook]
    storage.failing[hook] = lambda _: ConnectionLostError("secret")
    with pytest.raises(SessionStorageUnavailableError):
        await call()
    assert storage.count(hook) == 4


@pytest.mark.asyncio
async def test_only_a_lost_connection_is_tried_again(storage):
    storage.errors["load"] = [DriverError()]
    with pytest.raises(SessionStorageUnavailableError):
        await storage.load_session("a")
    assert storage.count("load") == 1
    assert storage.count("recover") == 0


@pytest.mark.parametrize("second", ["recover", "load"])
@pytest.mark.asyncio
async def test_the_error_after_a_lost_connection_shows_nothing_of_the_first(storage, second):
    storage.errors["load"] = [ConnectionLostError("secret")]
    storage.errors[second].append(DriverError("secret"))
    with pytest.raises(SessionStorageUnavailableError) as caught:
        await storage.load_session("a")
    assert "secret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("on_error", ["log", "raise"])
@pytest.mark.parametrize("place", range(5))
@pytest.mark.asyncio
async def test_bugs_and_cancellation_propagate(place, on_error):
    storage = ScriptedStorage(on_error=on_error)
    hook, call, _ = five_calls(storage)[place]
    for bug in (ZeroDivisionError, asyncio.CancelledError, OSError):
        storage.errors[hook] = [bug()]
        with pytest.raises(bug):
            await call()
    await call()


@pytest.mark.asyncio
async def test_bad_arguments_raise_before_the_storage_opens(storage):
    with pytest.raises(TypeError):
        await storage.delete_sessions("id")
    with pytest.raises(ValueError, match="empty"):
        await storage.find_sessions_by_shop("")
    assert await storage.delete_sessions([]) is True
    assert storage.calls == []


@pytest.mark.asyncio
async def test_many_ids_are_deleted_in_parts_each_id_once(storage):
    storage.max_group_items = 400
    ids = [f"id{number:04}" for number in range(1000)]
    assert await storage.delete_sessions([*ids, *ids]) is True
    assert [len(part) for part in storage.arguments("delete")] == [400, 400, 200]
    assert [id for part in storage.arguments("delete") for id in part] == ids
