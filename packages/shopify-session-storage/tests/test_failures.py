"""A failure is logged or raised, without the driver's words, and a lost connection tried again."""

import asyncio
import logging
import traceback

import pytest
from shopify_session_storage import (
    CorruptSessionError,
    SessionStorageError,
    SessionStorageUnavailableError,
)

from .five_calls import SESSION, five_calls
from .scripted import ConnectionLostError, DataError, DriverError, ScriptedStorage


@pytest.fixture
def storage():
    return ScriptedStorage()


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
