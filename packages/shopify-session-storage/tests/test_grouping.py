"""Calls that wait travel together: what BaseSessionStorage promises, with a scripted adapter."""

import asyncio
import random
import traceback
from contextvars import ContextVar
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shopify_session_storage import (
    CorruptSessionError,
    SessionStorageError,
    SessionStorageUnavailableError,
)
from shopify_session_storage.stored import copy_session
from shopify_session_storage.testing.sessions import offline_session, online_session

from .scripted import ConnectionLostError, DataError, ScriptedStorage, settle, spawn

SHOP = "a.myshopify.com"


def session(id, **changes):
    return offline_session(SHOP, id=id, **changes)


async def opened(**settings):
    storage = ScriptedStorage(**settings)
    await storage.ready()
    storage.calls.clear()
    return storage


async def occupied(hook, **settings):
    """A storage with its only place taken by a call that is held until the gate opens."""
    storage = await opened(**settings)
    gate = storage.hold(hook)
    call = {
        "load": lambda: storage.load_session("first"),
        "store": lambda: storage.store_session(session("first")),
        "delete": lambda: storage.delete_session("first"),
        "find": lambda: storage.find_sessions_by_shop("first.myshopify.com"),
    }[hook]
    [first] = spawn(call())
    await settle()
    return storage, gate, first


# --- when calls leave -----------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_lone_read_goes_out_in_its_callers_own_task():
    storage = await opened()
    tasks = set()
    storage.failing = dict.fromkeys(("load", "find"), lambda _: tasks.add(asyncio.current_task()))
    storage.rows["a"] = session("a")
    assert await storage.load_session("a") is not None
    assert len(await storage.find_sessions_by_shop(SHOP)) == 1
    assert tasks == {asyncio.current_task()}


@pytest.mark.asyncio
async def test_what_works_for_several_callers_runs_in_no_callers_context():
    storage, gate, first = await occupied("load", max_groups=1)
    request = ContextVar("request", default=None)
    seen = []
    storage.failing = dict.fromkeys(
        ("load", "store", "delete"), lambda _: seen.append(request.get())
    )
    request.set("mine")
    calls = spawn(
        storage.load_session("a"),
        storage.load_session("b"),
        storage.store_session(session("a")),
        storage.delete_session("b"),
    )
    await settle()
    gate.set()
    await asyncio.gather(first, *calls)
    assert seen[-3:] == [None] * 3


@pytest.mark.asyncio
async def test_a_call_goes_at_once_and_those_that_come_meanwhile_in_groups_of_equal_shares():
    storage = await opened(max_groups=2)
    gate = storage.hold("load")
    calls = spawn(*(storage.load_session(id) for id in "abcdef"))
    await settle()
    assert storage.arguments("load") == [["a"], ["b", "c", "d"]]
    gate.set()
    await asyncio.gather(*calls)
    assert storage.arguments("load") == [["a"], ["b", "c", "d"], ["e"], ["f"]]


@pytest.mark.parametrize("groups", [1, 2, 3, 5])
@pytest.mark.asyncio
async def test_callers_who_call_again_and_again_are_spread_over_all_groups_evenly(groups):
    storage = await opened(max_groups=groups)
    load = storage._load

    async def load_in_a_moment(ids):
        await asyncio.sleep(0.002)
        return await load(ids)

    storage._load = load_in_a_moment

    async def calls(id):
        for _ in range(10):
            await storage.load_session(id)

    await asyncio.gather(*(calls(f"{number:02}") for number in range(30)))
    sizes = [len(ids) for ids in storage.arguments("load")]
    assert sum(sizes) == 300
    # The first leaves alone, and the last ones have nobody to wait for.
    assert max(sizes) <= -(-30 // groups)
    assert len(sizes) <= 13 * groups


@pytest.mark.parametrize("hook", ["store", "delete"])
@pytest.mark.asyncio
async def test_writes_leave_sorted_by_id(hook):
    storage, gate, first = await occupied(hook)
    write = storage.delete_session if hook == "delete" else storage.store_session
    make = str if hook == "delete" else session
    calls = spawn(*(write(make(id)) for id in "dacb"))
    await settle()
    gate.set()
    assert await asyncio.gather(first, *calls) == [True] * 5
    assert storage.arguments(hook) == [["first"], ["a", "b", "c", "d"]]


@pytest.mark.asyncio
async def test_groups_are_bounded_in_items_and_callers_are_served_in_order():
    storage, gate, _ = await occupied("load", max_group_items=3)
    ids = [f"{number:02}" for number in range(8)]
    calls = spawn(*(storage.load_session(id) for id in ids))
    done = []
    for id, call in zip(ids, calls, strict=True):
        call.add_done_callback(lambda _, served=id: done.append(served))
    await settle()
    gate.set()
    await asyncio.gather(*calls)
    assert storage.arguments("load")[1:] == [ids[:3], ids[3:6], ids[6:]]
    assert done == ids


@pytest.mark.asyncio
async def test_groups_are_bounded_in_bytes_and_a_larger_session_goes_alone():
    storage, gate, _ = await occupied("store", max_group_bytes=3000)
    sizes = {"a": 1000, "b": 1000, "c": 1000, "d": 9000, "e": 10, "f": 10}
    calls = spawn(
        *(storage.store_session(session(id, scope="s" * size)) for id, size in sizes.items())
    )
    await settle()
    gate.set()
    await asyncio.gather(*calls)
    assert storage.arguments("store")[1:] == [["a", "b"], ["c"], ["d"], ["e", "f"]]


@pytest.mark.asyncio
async def test_many_ids_of_one_call_share_no_group_beyond_the_bound():
    storage, gate, first = await occupied("delete", max_group_items=3)
    calls = spawn(storage.delete_sessions(["a", "b"]), storage.delete_sessions(["c", "d", "e"]))
    await settle()
    gate.set()
    await asyncio.gather(first, *calls)
    assert storage.arguments("delete")[1:] == [["a", "b"], ["c", "d", "e"]]


@pytest.mark.asyncio
async def test_loads_and_finds_do_not_wait_for_writes():
    storage, gate, first = await occupied("store")
    assert await storage.load_session("a") is None
    assert await storage.find_sessions_by_shop(SHOP) == []
    gate.set()
    await first


# --- loads ----------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_loads_of_one_id_share_one_read_and_each_gets_its_own_object():
    storage, gate, _ = await occupied("load")
    storage.rows["a"] = online_session(SHOP, id="a")
    calls = spawn(*(storage.load_session("a") for _ in range(5)))
    await settle()
    gate.set()
    loaded = await asyncio.gather(*calls)
    assert storage.arguments("load") == [["first"], ["a"]]
    assert all(one.equals(storage.rows["a"]) for one in loaded)
    assert len({id(one) for one in loaded}) == 5
    assert len({id(one.online_access_info.associated_user) for one in loaded}) == 5


@pytest.mark.asyncio
async def test_finds_travel_together_and_each_gets_its_own_shop_in_its_own_objects():
    storage, gate, _ = await occupied("find")
    storage.rows["a"] = online_session(SHOP, id="a")
    storage.rows["c"] = online_session("c", id="c")
    calls = spawn(*(storage.find_sessions_by_shop(shop) for shop in (SHOP, SHOP, "b", SHOP, "c")))
    await settle()
    gate.set()
    first, second, empty, third, [other] = await asyncio.gather(*calls)
    assert storage.arguments("find") == [["first.myshopify.com"], [SHOP, "b", "c"]]
    assert empty == []
    assert other.shop == "c"
    found = (first, second, third)
    assert all(one.shop == SHOP for [one] in found)
    assert len({id(many) for many in found}) == len({id(one) for [one] in found}) == 3


@pytest.mark.asyncio
async def test_a_load_is_never_answered_from_a_read_that_began_before_it():
    storage = await opened(max_groups=1)
    old, new = session("a", state="old"), session("a", state="new")
    storage.rows["a"] = old
    gates = [asyncio.Event() for _ in range(3)]

    async def read_then_take_a_while(ids):
        found = storage.stored(ids)
        gate = gates[len(storage.arguments("load"))]
        storage.calls.append(("load", list(ids)))
        await gate.wait()
        return found

    storage._load = read_then_take_a_while
    [first] = spawn(storage.load_session("a"))
    await settle()
    [second] = spawn(storage.load_session("a"))  # waits behind the first
    await settle()
    await storage.store_session(new)
    [third] = spawn(storage.load_session("a"))  # joins the second, which is not sent yet
    await settle()
    gates[0].set()
    await settle()
    newer = session("a", state="newer")
    await storage.store_session(newer)
    [fourth] = spawn(storage.load_session("a"))  # the read of the second has been sent
    await settle()
    for gate in gates:
        gate.set()
    loaded = await asyncio.gather(first, second, third, fourth)
    assert [one.state for one in loaded] == ["old", "new", "new", "newer"]
    assert storage.arguments("load") == [["a"]] * 3


@pytest.mark.asyncio
async def test_rows_are_matched_by_id_whatever_comes_back_and_in_which_order():
    storage, gate, first = await occupied("load")
    storage.rows = {id: session(id) for id in ("a", "b", "c", "stranger")}

    def disordered(ids):
        rows = [copy_session(storage.rows[id]) for id in ids if id in storage.rows]
        return [copy_session(storage.rows["stranger"]), *reversed(rows)]

    storage.stored = disordered
    calls = spawn(*(storage.load_session(id) for id in ("a", "none", "b", "c", "a")))
    await settle()
    gate.set()
    loaded = await asyncio.gather(*calls)
    assert [one and one.id for one in loaded] == ["a", None, "b", "c", "a"]
    assert await first is None
    assert await storage.load_session("alone") is None


# --- stores ---------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_of_stores_of_one_id_the_last_is_written_and_then_all_are_acknowledged():
    storage, gate, first = await occupied("store")
    versions = [session("a", state=str(number)) for number in range(5)]
    calls = spawn(*(storage.store_session(version) for version in versions))
    await settle()
    second_gate = storage.gates["store"] = asyncio.Event()
    gate.set()
    await settle()
    assert first.done()
    assert not any(call.done() for call in calls)
    second_gate.set()
    assert await asyncio.gather(*calls) == [True] * 5
    assert storage.arguments("store") == [["first"], ["a"]]
    assert storage.rows["a"].equals(versions[-1])


@pytest.mark.asyncio
async def test_what_waits_is_not_changed_with_the_callers_object():
    storage, gate, _ = await occupied("store")
    mine = online_session(SHOP, id="a")
    kept = online_session(SHOP, id="a", access_token=mine.access_token)
    [call] = spawn(storage.store_session(mine))
    await settle()
    mine.access_token = mine.online_access_info.associated_user.email = "spoilt"
    gate.set()
    await call
    assert storage.rows["a"].equals(kept)


# --- order for one id -----------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_store_and_delete_of_one_id_are_never_under_way_at_once_nor_overtake_one_another():
    storage = await opened(max_groups=4)
    gates = {hook: storage.hold(hook) for hook in ("store", "delete")}
    calls = spawn(
        storage.store_session(session("a", state="1")),
        storage.delete_session("a"),
        storage.store_session(session("a", state="2")),
        storage.store_session(session("b")),
        storage.delete_sessions(["c", "a"]),
        storage.delete_session("c"),
        storage.store_session(session("a", state="3")),
    )
    await settle()
    # What concerns another id does not wait, but for what waits with a call before it.
    assert storage.under_way == [("store", ["a"]), ("store", ["b"])]
    gates["store"].set()
    await settle()
    assert storage.under_way == [("delete", ["a"])]
    gates["delete"].set()
    assert await asyncio.gather(*calls) == [True] * 7
    assert storage.rows["a"].state == "3"
    ids = [(name, set(ids)) for name, ids in storage.calls if "a" in ids]
    assert [name for name, _ in ids] == ["store", "delete", "store", "delete", "store"]


@pytest.mark.asyncio
async def test_a_cancelled_write_goes_on_and_the_next_one_for_its_id_waits_for_its_end():
    storage = await opened(max_groups=4)
    gate = storage.hold("store")
    [storing] = spawn(storage.store_session(session("a")))
    await settle()
    [deleting] = spawn(storage.delete_session("a"))
    await settle()
    storing.cancel()
    await settle()
    assert storing.cancelled()
    assert storage.under_way == [("store", ["a"])]
    gate.set()
    assert await deleting is True
    assert storage.calls == [("store", ["a"]), ("delete", ["a"])]
    assert storage.rows == {}


@pytest.mark.asyncio
async def test_a_write_waits_for_the_group_of_a_cancelled_caller():
    storage, gate, _ = await occupied("store", max_groups=1)
    grouped = spawn(storage.store_session(session("a")), storage.store_session(session("b")))
    await settle()
    storage.max_groups = 4
    second_gate = storage.gates["store"] = asyncio.Event()
    gate.set()
    await settle()
    for call in grouped:
        call.cancel()
    [deleting] = spawn(storage.delete_session("a"))
    await settle()
    assert storage.under_way == [("store", ["a", "b"])]
    second_gate.set()
    await deleting
    assert set(storage.rows) == {"first", "b"}


# --- errors ---------------------------------------------------------------------------------------


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


# --- cancellation ---------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_caller_that_is_cancelled_while_it_waits_is_not_sent_and_disturbs_nobody():
    storage, gate, _ = await occupied("load")
    calls = spawn(*(storage.load_session(id) for id in "abc"))
    await settle()
    calls[0].cancel()
    await settle()
    gate.set()
    assert await asyncio.gather(*calls[1:]) == [None, None]
    assert storage.arguments("load") == [["first"], ["b", "c"]]


@pytest.mark.asyncio
async def test_all_who_wait_may_be_cancelled():
    storage, gate, first = await occupied("store")
    calls = spawn(*(storage.store_session(session(id)) for id in "abc"))
    await settle()
    for call in calls:
        call.cancel()
    await settle()
    gate.set()
    assert await first is True
    assert await storage.store_session(session("d")) is True
    await storage.disconnect()
    assert storage.arguments("store") == [["first"], ["d"]]


@pytest.mark.asyncio
async def test_a_caller_that_is_cancelled_after_its_group_has_left_disturbs_nobody():
    storage, gate, _ = await occupied("store")
    calls = spawn(*(storage.store_session(session(id)) for id in "abc"))
    await settle()
    second_gate = storage.gates["store"] = asyncio.Event()
    gate.set()
    await settle()
    calls[0].cancel()
    await settle()
    second_gate.set()
    assert await asyncio.gather(*calls[1:]) == [True, True]
    assert calls[0].cancelled()
    assert set(storage.rows) == {"first", "a", "b", "c"}


@pytest.mark.asyncio
async def test_a_lone_call_that_is_cancelled_leaves_its_place_to_those_who_wait():
    storage, gate, first = await occupied("load")
    calls = spawn(*(storage.load_session(id) for id in "ab"))
    await settle()
    first.cancel()
    await settle()
    assert storage.under_way == [("load", ["a", "b"])]
    gate.set()
    assert await asyncio.gather(*calls) == [None, None]


# --- any schedule ---------------------------------------------------------------------------------


class Jittery(ScriptedStorage):
    """Takes effect at a random moment of a call that takes a random time, and fails at random.

    Each call goes round the loop a few times before and after its effect. A cancelled call ends
    before or after it.
    """

    def __init__(self, seed, **settings):
        super().__init__(**settings)
        self.random = random.Random(seed)
        self.writing = set()

    async def scripted(self, hook, argument=None, work=None):
        keys = set(argument) if hook in ("store", "delete") else set()
        assert self.writing.isdisjoint(keys), "two writes of one id are under way"
        assert list(argument or ()) == sorted(argument or ()) or hook in ("load", "find")
        self.writing |= keys
        try:
            await settle(self.random.randrange(7))
            if self.random.random() < 0.05:
                raise ConnectionLostError
            result = None if work is None else work()
            await settle(self.random.randrange(7))
            return result
        finally:
            self.writing -= keys

    async def _store(self, sessions):
        if any(session.scope == "bad" for session in sessions):
            await settle(self.random.randrange(3))
            raise DataError
        await super()._store(sessions)


STEP = st.tuples(
    st.sampled_from(
        ["store", "store", "store bad", "delete", "delete two", "load", "load", "find"]
    ),
    st.sampled_from([0, 0, 0, 1, 2, 3]),  # which id
    st.sampled_from([0, 0, 0, 0, 2, 9]),  # how long until the next step
    st.sampled_from([None, None, None, None, 0, 5]),  # when it is cancelled
)


class Write:
    """A write of one id: when it began and ended, and what it leaves there."""

    def __init__(self, began, value):
        self.began = began
        self.value = value
        self.acknowledged = None  # when
        self.failed = False


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=st.lists(STEP, min_size=15, max_size=40),
    seed=st.integers(0, 2**32),
    max_groups=st.integers(1, 3),
    max_group_items=st.integers(1, 4),
)
def test_whatever_the_schedule_each_id_goes_through_its_writes_in_order(
    steps, seed, max_groups, max_group_items
):
    async def run():
        storage = Jittery(seed, max_groups=max_groups, max_group_items=max_group_items)
        while not await storage.is_ready():
            pass
        writes = {id: [Write(-1, None)] for id in "abcd"}
        for [initial] in writes.values():
            initial.acknowledged = -1
        seen, failures = [], []
        clock = iter(range(1_000_000))

        async def write(ids, call, value):
            begun = []
            for id in ids:
                begun.append(Write(next(clock), value))
                writes[id].append(begun[-1])
            try:
                assert await call is True
            except SessionStorageError as error:
                failures.append((value, type(error.__cause__)))
                for one in begun:
                    # After a lost connection it is unknown; a bad session has changed nothing.
                    one.failed = isinstance(error.__cause__, DataError)
            else:
                for one in begun:
                    one.acknowledged = next(clock)

        async def load(id):
            began = next(clock)
            try:
                found = await storage.load_session(id)
            except SessionStorageUnavailableError:
                return
            assert found is None or found.id == id
            seen.append((id, began, next(clock), found and found.state))

        async def find():
            began = next(clock)
            try:
                found = await storage.find_sessions_by_shop(SHOP)
            except SessionStorageUnavailableError:
                return
            ended = next(clock)
            states = {one.id: one.state for one in found}
            assert len(states) == len(found)
            seen.extend((id, began, ended, states.get(id)) for id in writes)

        tasks = []
        for number, (what, which, pause, cancelled_after) in enumerate(steps):
            id = "abcd"[which]
            one = session(id, state=str(number))
            if what.startswith("store"):
                value = "bad" if what == "store bad" else one.state
                if value == "bad":
                    one = replace(one, scope="bad", state="bad")
                call = write([id], storage.store_session(one), value)
            elif what == "delete":
                call = write([id], storage.delete_session(id), None)
            elif what == "delete two" and max_group_items > 1:
                ids = [id, "abcd"[which - 1]]
                call = write(ids, storage.delete_sessions(ids), None)
            elif what == "find":
                call = find()
            else:
                call = load(id)
            task = asyncio.ensure_future(call)
            tasks.append(task)
            if cancelled_after is not None:
                await settle(1 + cancelled_after)  # it has begun
                task.cancel()
            await settle(pause)
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            assert outcome is None or isinstance(outcome, asyncio.CancelledError), repr(outcome)
        await storage.disconnect()  # what cancelled callers have sent may still be under way
        assert storage.writing == set()
        assert all(cause is ConnectionLostError or value == "bad" for value, cause in failures)
        for id in writes:
            row = storage.rows.get(id)
            seen.append((id, next(clock), next(clock), row and row.state))

        # What is seen is what some write left that began before, and none that had been
        # acknowledged came after; and once a write has been seen, no one before it is.
        for id, history in writes.items():
            reads = [read[1:] for read in seen if read[0] == id]
            oldest = {}  # by the end of a read, the first write that it can have seen
            for began, ended, state in sorted(reads, key=lambda read: read[1]):
                least = max(
                    number
                    for number, one in enumerate(history)
                    if one.acknowledged is not None and one.acknowledged < began
                )
                least = max([least, *(first for end, first in oldest.items() if end < began)])
                possible = [
                    number
                    for number, one in enumerate(history)
                    if number >= least
                    and one.began < ended
                    and not one.failed
                    and one.value == state
                    and state != "bad"
                ]
                assert possible, f"{id}: {state!r} was seen after {history[least].value!r}"
                oldest[ended] = possible[0]

    asyncio.run(run())
