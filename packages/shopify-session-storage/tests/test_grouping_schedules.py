"""Whatever the schedule, each id goes through its writes in order."""

import asyncio
import random
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shopify_session_storage import SessionStorageError, SessionStorageUnavailableError

from .grouped import SHOP, session
from .scripted import ConnectionLostError, DataError, ScriptedStorage, settle


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
