"""An error in a group reaches those whom it concerns, and tells nothing of the others."""

import asyncio
import traceback

import pytest
from shopify_session_storage import (
    CorruptSessionError,
    SessionStorageError,
    SessionStorageUnavailableError,
)

from .grouped import occupied, session
from .scripted import ConnectionLostError, DataError, settle, spawn


@pytest.mark.asyncio
async def test_a_bad_session_fails_only_its_own_caller_and_shows_nothing_of_the_others():
    storage, gate, _ = await occupied("store")
    storage.failing["store"] = lambda ids: DataError(f"secret of {ids}") if "b" in ids else None
    calls = spawn(*(storage.store_session(session(id)) for id in "abc"))
    await settle()
    gate.set()
    a, b, c = await asyncio.gather(*calls, return_exceptions=True)
    assert storage.arguments("store")[1:] == [["a", "b", "c"], ["a"], ["b"], ["c"]]
    assert (a, c) == (True, True)
    assert type(b) is SessionStorageError
    assert isinstance(b.__cause__, DataError)
    assert "secret" not in "".join(traceback.format_exception(b))
    assert set(storage.rows) == {"first", "a", "c"}


@pytest.mark.asyncio
async def test_a_corrupt_session_fails_only_its_own_caller():
    storage, gate, _ = await occupied("load")
    storage.rows = {id: session(id) for id in "ac"}
    storage.failing["load"] = lambda ids: (
        CorruptSessionError("stored session 'b'") if "b" in ids else None
    )
    calls = spawn(*(storage.load_session(id) for id in "abc"))
    await settle()
    gate.set()
    a, b, c = await asyncio.gather(*calls, return_exceptions=True)
    assert (a.id, c.id) == ("a", "c")
    assert isinstance(b, CorruptSessionError)


@pytest.mark.parametrize("hook", ["load", "find"])
@pytest.mark.asyncio
async def test_many_who_ask_for_one_corrupt_session_cost_no_read_each(hook):
    storage, gate, _ = await occupied(hook)
    storage.failing[hook] = lambda asked: CorruptSessionError("why") if "b" in asked else None
    ask = storage.load_session if hook == "load" else storage.find_sessions_by_shop
    calls = spawn(*(ask("b") for _ in range(20)))
    await settle()
    gate.set()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(outcome, CorruptSessionError) for outcome in outcomes)
    assert storage.count(hook) == 2


@pytest.mark.asyncio
async def test_a_lost_connection_is_tried_again_as_a_group():
    storage, gate, _ = await occupied("load")
    calls = spawn(*(storage.load_session(id) for id in "abc"))
    await settle()
    storage.errors["load"] = [None, ConnectionLostError()]
    gate.set()
    assert await asyncio.gather(*calls) == [None] * 3
    assert storage.arguments("load") == [["first"], ["a", "b", "c"], ["a", "b", "c"]]
    assert storage.count("recover") == 1


@pytest.mark.asyncio
async def test_a_failure_of_the_backend_fails_the_whole_group_with_an_error_for_each():
    storage, gate, _ = await occupied("store")
    storage.failing["store"] = lambda ids: ConnectionLostError() if "a" in ids else None
    calls = spawn(*(storage.store_session(session(id)) for id in "abc"))
    await settle()
    gate.set()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {SessionStorageUnavailableError}
    assert [repr(id) in str(outcome) for id, outcome in zip("abc", outcomes, strict=True)] == [
        True
    ] * 3
    assert storage.arguments("store")[1:] == [["a", "b", "c"]] * 2


@pytest.mark.asyncio
async def test_a_failure_of_the_backend_while_repeating_one_by_one_is_that_calls_alone():
    storage, gate, _ = await occupied("store")

    def fail(ids):
        if len(ids) > 1:
            return DataError()
        return ConnectionLostError() if ids == ["b"] else None

    storage.failing["store"] = fail
    calls = spawn(*(storage.store_session(session(id)) for id in "abcd"))
    await settle()
    gate.set()
    a, b, c, d = await asyncio.gather(*calls, return_exceptions=True)
    assert (a, c, d) == (True, True, True)
    assert type(b) is SessionStorageUnavailableError


class Stop(BaseException):
    """Neither an Exception nor a cancellation."""


@pytest.mark.parametrize("hook", ["load", "store", "delete", "find"])
@pytest.mark.parametrize("bug", [ZeroDivisionError, asyncio.CancelledError, Stop])
@pytest.mark.asyncio
async def test_bugs_and_cancellation_reach_every_caller_of_the_group(hook, bug):
    storage, gate, first = await occupied(hook, on_error="log")
    ask = {
        "load": lambda: storage.load_session("a"),
        "store": lambda: storage.store_session(session("a")),
        "delete": lambda: storage.delete_session("a"),
        "find": lambda: storage.find_sessions_by_shop("a"),
    }[hook]
    calls = spawn(*(ask() for _ in range(3)))
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    await settle()
    storage.errors[hook] = [None, bug()]
    gate.set()
    outcomes = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 1)
    assert [type(outcome) for outcome in outcomes] == [bug] * 3
    await first
    assert not isinstance(await ask(), bug)
