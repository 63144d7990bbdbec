"""What core does about each verdict, and that every call has an end, with a scripted adapter."""

import asyncio
import time
from datetime import timedelta

import pytest
from shopify_session_storage import (
    SessionStorageError,
    SessionStorageUnavailableError,
    Verdict,
)
from shopify_session_storage.testing.sessions import offline_session

from .scripted import (
    ConflictError,
    ConnectionLostError,
    DataError,
    DriverError,
    ScriptedStorage,
    settle,
    spawn,
)

SHOP = "a.myshopify.com"
SESSION = offline_session(SHOP)
SHORT = timedelta(milliseconds=300)


def session(id, **changes):
    return offline_session(SHOP, id=id, **changes)


def every_call(storage):
    """All calls that go to the backend, by the hook that they end in."""
    return {
        "store": lambda: storage.store_session(SESSION),
        "load": lambda: storage.load_session(SESSION.id),
        "delete": lambda: storage.delete_session(SESSION.id),
        "find": lambda: storage.find_sessions_by_shop(SHOP),
        "ping": storage.ready,
    }


@pytest.mark.parametrize("timeout", [10, 1.5, None, "10"])
def test_a_timeout_that_is_no_duration_is_refused(timeout):
    with pytest.raises(TypeError, match="timeout must be a timedelta"):
        ScriptedStorage(timeout=timeout)


@pytest.mark.parametrize("timeout", [timedelta(0), timedelta(seconds=-1)])
def test_a_timeout_that_is_over_at_once_is_refused(timeout):
    with pytest.raises(ValueError, match="timeout must be positive"):
        ScriptedStorage(timeout=timeout)


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (DataError(), "data"),
        (ConflictError(), "conflict"),
        (ConnectionLostError(), "lost"),
        (DriverError(), "unavailable"),
        (KeyError(), "unavailable"),
    ],
)
def test_the_classes_of_errors_are_the_simple_way_to_give_a_verdict(error, verdict):
    assert ScriptedStorage()._verdict(error) == Verdict(verdict)


def test_an_error_of_several_kinds_is_of_the_one_that_is_most_particular():
    class BothError(DataError, ConnectionLostError):
        pass

    assert ScriptedStorage()._verdict(BothError()) is Verdict.DATA


@pytest.mark.parametrize("name", ["store", "load", "delete", "find", "ping"])
@pytest.mark.asyncio
async def test_what_conflicts_is_repeated_and_succeeds(name):
    storage = ScriptedStorage()
    await storage.ready()
    storage.errors[name] = [ConflictError()] * 5
    outcome = await every_call(storage)[name]()
    assert outcome in (True, None, [])
    assert storage.count(name) == 6 + (name == "ping")
    assert storage.count("recover") == 0


@pytest.mark.parametrize("name", ["store", "load", "delete", "find", "ping"])
@pytest.mark.asyncio
async def test_what_conflicts_for_ever_fails_within_the_time_limit_with_the_conflict(name):
    storage = ScriptedStorage(timeout=SHORT)
    await storage.ready()
    storage.failing[name] = lambda _: ConflictError()
    began = time.monotonic()
    with pytest.raises(SessionStorageUnavailableError) as caught:
        await every_call(storage)[name]()
    assert time.monotonic() - began < 2
    assert isinstance(caught.value.__cause__, ConflictError)
    assert storage.count(name) > 2


@pytest.mark.asyncio
async def test_a_read_that_hangs_after_a_conflict_fails_with_the_conflict():
    storage = ScriptedStorage(timeout=SHORT)
    await storage.ready()
    storage.errors["load"] = [ConflictError()]
    gate = storage.hold("load")
    gate.set()
    load = storage._load

    async def hangs_the_second_time(ids):
        if storage.count("load"):
            gate.clear()
        return await load(ids)

    storage._load = hangs_the_second_time
    with pytest.raises(SessionStorageUnavailableError) as caught:
        await storage.load_session("a")
    assert isinstance(caught.value.__cause__, ConflictError)


@pytest.mark.asyncio
async def test_one_row_that_somebody_has_locked_holds_up_nobody_elses():
    """A lock that is not to be had for a while is a conflict, after that while."""
    storage = ScriptedStorage(max_groups=2)
    await storage.ready()
    locked = True

    async def store(sessions):
        storage.calls.append(("store", [one.id for one in sessions]))
        if locked and any(one.id.startswith("locked") for one in sessions):
            await asyncio.sleep(0.3)
            raise ConflictError

    storage._store = store
    ids = [f"locked {number}" for number in range(10)] + [f"free {number}" for number in range(30)]
    began = time.monotonic()
    calls = dict(zip(ids, spawn(*(storage.store_session(session(id)) for id in ids)), strict=True))
    done, _ = await asyncio.wait([call for id, call in calls.items() if "free" in id], timeout=5)
    assert len(done) == 30
    assert time.monotonic() - began < 3
    late = time.monotonic()
    await storage.store_session(session("came later"))
    assert time.monotonic() - late < 2
    assert not any(call.done() for id, call in calls.items() if "locked" in id)
    locked = False
    assert all(await asyncio.gather(*calls.values()))


@pytest.mark.asyncio
async def test_what_is_blocked_without_an_end_holds_nobody_up_for_longer_than_a_moment():
    storage = ScriptedStorage(max_groups=2)
    await storage.ready()
    free = asyncio.Event()

    async def store(sessions):
        if any(one.id in ("a", "b") for one in sessions):
            await free.wait()

    storage._store = store
    blocked = spawn(storage.store_session(session("a")), storage.store_session(session("b")))
    await settle()
    for id in ("c", "d"):
        assert await asyncio.wait_for(storage.store_session(session(id)), 2) is True
    free.set()
    assert await asyncio.gather(*blocked) == [True, True]


@pytest.mark.asyncio
async def test_a_key_stays_in_order_while_its_write_waits_for_a_lock():
    storage = ScriptedStorage()
    await storage.ready()
    storage.errors["store"] = [ConflictError()] * 9
    calls = spawn(
        storage.store_session(session("a", state="1")),
        storage.delete_session("a"),
        storage.store_session(session("a", state="2")),
    )
    assert await asyncio.gather(*calls) == [True] * 3
    assert storage.rows["a"].state == "2"
    names = [name for name, _ in storage.calls if name in ("store", "delete")]
    assert names[-3:] == ["store", "delete", "store"]


@pytest.mark.parametrize("on_error", ["log", "raise"])
@pytest.mark.parametrize("name", ["store", "load", "delete", "find", "ping"])
@pytest.mark.asyncio
async def test_a_call_ends_within_the_time_limit_also_when_nothing_answers(name, on_error, caplog):
    storage = ScriptedStorage(timeout=SHORT, on_error=on_error)
    await storage.ready()
    storage.hold(name)
    began = time.monotonic()
    if on_error == "raise" or name == "ping":
        with pytest.raises(SessionStorageUnavailableError, match=r"no answer within 0\.3 s$"):
            await every_call(storage)[name]()
    else:
        assert await every_call(storage)[name]() in (False, None, [])
        assert "no answer within 0.3 s" in caplog.text
    assert 0.25 < time.monotonic() - began < 2
    await settle()
    assert storage.under_way == []  # the hook was cancelled
    assert storage.count("recover") == 1  # and its connections are not trusted any more


@pytest.mark.asyncio
async def test_what_waits_behind_others_ends_within_the_time_limit_and_is_not_sent():
    storage = ScriptedStorage(timeout=SHORT, max_slow_groups=0)
    await storage.ready()
    storage.hold("load")
    first, second = spawn(storage.load_session("a"), storage.load_session("b"))
    done, _ = await asyncio.wait([first, second], timeout=2)
    assert {type(call.exception()) for call in done} == {SessionStorageUnavailableError}
    assert storage.arguments("load") == [["a"]]


@pytest.mark.parametrize("name", ["store", "load", "delete", "find", "ping"])
@pytest.mark.asyncio
async def test_a_callers_own_time_limit_works_always(name):
    storage = ScriptedStorage()
    await storage.ready()
    storage.hold(name)
    began = time.monotonic()
    for _ in range(2):  # the second one waits behind the first, if that goes on
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await every_call(storage)[name]()
    assert time.monotonic() - began < 2


@pytest.mark.asyncio
async def test_a_group_of_several_calls_conflicts_its_way_down_to_single_ones():
    storage = ScriptedStorage()
    await storage.ready()
    gate = storage.hold("store")
    [first] = spawn(storage.store_session(session("first")))
    await settle()
    storage.failing["store"] = lambda ids: ConflictError() if len(ids) > 1 else None
    calls = spawn(*(storage.store_session(session(id)) for id in "abc"))
    await settle()
    gate.set()
    assert await asyncio.gather(first, *calls) == [True] * 4
    assert storage.arguments("store")[-3:] == [["a"], ["b"], ["c"]]


@pytest.mark.asyncio
async def test_several_callers_of_one_failure_get_errors_of_their_own():
    storage = ScriptedStorage()
    storage.errors["open"] = [SessionStorageError("not today")]
    one, other = await asyncio.gather(
        storage.load_session("a"), storage.load_session("b"), return_exceptions=True
    )
    assert type(one) is type(other) is SessionStorageError
    assert one is not other
    assert str(one) == str(other) == "not today"


@pytest.mark.asyncio
async def test_a_group_whose_time_is_over_before_it_begins_blocks_nothing():
    """The machine stood still between the call and the first step of its task."""
    storage = ScriptedStorage(timeout=timedelta(milliseconds=50))
    await storage.ready()
    [call] = spawn(storage.store_session(SESSION))
    for _ in range(20):
        await asyncio.sleep(0)
        if storage._lanes.writing._under_way:
            break
    for group in storage._lanes.writing._under_way:
        group.end()  # what the time limit does, before the task's first step
    with pytest.raises((asyncio.CancelledError, SessionStorageUnavailableError)):
        await call
    assert storage.count("store") == 0
    assert await storage.store_session(SESSION) is True
    await asyncio.wait_for(storage.disconnect(), 5)
