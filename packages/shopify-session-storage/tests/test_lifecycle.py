"""One running event loop at a time, whatever threads and forks do."""

import asyncio
import os
import signal
import sys
import threading
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shopify_session_storage.forking import mutex
from shopify_session_storage.testing.sessions import offline_session

from .scripted import DriverError, ScriptedStorage, settle, spawn

SESSION = offline_session("a.myshopify.com")


class Resources(ScriptedStorage):
    """Counts what it opens and closes, and notices when two of them are open at once."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.open_now = 0
        self.most = 0
        self.forgotten = 0

    async def _open(self):
        self.open_now += 1
        self.most = max(self.most, self.open_now)
        await asyncio.sleep(0)
        await super()._open()

    async def _close(self):
        await super()._close()
        self.open_now = 0

    def _abandon(self):
        super()._abandon()
        self.open_now = 0

    def _forget(self):
        self.forgotten += 1
        self.open_now = 0


def test_threads_with_loops_of_their_own_work_or_get_the_one_clear_error():
    storage = Resources()
    seen = Counter()

    def work():
        for _ in range(1250):
            try:
                asyncio.run(storage.store_session(SESSION))
            except RuntimeError as error:
                seen[str(error)] += 1
            except BaseException as error:
                seen[repr(error)] += 1
            else:
                seen["stored"] += 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen.pop("stored") > 0
    refused = (
        "Resources is in use on another running event loop; make one storage for each event loop, "
        "or share one among threads with shopify_session_storage.sync"
    )
    assert set(seen) <= {refused}
    assert storage.most == 1


@pytest.mark.asyncio
async def test_a_second_loop_is_refused_at_every_moment_of_the_first_ones_life():
    storage = Resources()
    gates = {hook: storage.hold(hook) for hook in ("open", "load", "close")}

    def other():
        with pytest.raises(RuntimeError, match=r"shopify_session_storage\.sync"):
            asyncio.run(storage.load_session("b"))
        with pytest.raises(RuntimeError, match="another running event loop"):
            asyncio.run(storage.disconnect())
        assert asyncio.run(storage.is_ready()) is False

    [load] = spawn(storage.load_session("a"))
    await settle()
    await asyncio.to_thread(other)
    gates["open"].set()
    await settle()
    await asyncio.to_thread(other)
    gates["load"].set()
    assert await load is None
    [end] = spawn(storage.disconnect())
    await settle()
    await asyncio.to_thread(other)
    gates["close"].set()
    await end
    assert [name for name, _ in storage.calls] == ["open", "load", "close"]


def test_when_the_first_loop_has_ended_another_threads_takes_over():
    storage = Resources()
    asyncio.run(storage.store_session(SESSION))
    thread = threading.Thread(target=asyncio.run, args=[storage.store_session(SESSION)])
    thread.start()
    thread.join()
    assert [name for name, _ in storage.calls] == ["open", "store", "abandon", "open", "store"]


def test_a_loop_that_was_stopped_makes_way_in_its_own_thread_and_cannot_spoil_what_follows():
    storage = Resources()
    gate = None

    async def begin():
        nonlocal gate
        gate = storage.hold("open")
        spawn(storage.load_session("a"))
        await settle()

    old = asyncio.new_event_loop()
    old.run_until_complete(begin())
    storage.gates.clear()
    asyncio.run(storage.store_session(SESSION))
    calls = list(storage.calls)
    gate.set()
    for task in asyncio.all_tasks(old):
        task.cancel()
    old.run_until_complete(asyncio.sleep(0.01))
    old.close()
    assert "close" not in [name for name, _ in storage.calls[len(calls) :]]


@pytest.mark.parametrize("moment", range(8))
def test_a_start_that_is_cancelled_closes_what_it_opened_and_can_be_repeated(moment):
    storage = Resources()

    async def begin():
        [call] = spawn(storage.load_session("a"))
        for _ in range(moment):
            await asyncio.sleep(0)
        assert not call.done() or call.result() is None

    asyncio.run(begin())  # cancels what is under way as it ends
    asyncio.run(storage.store_session(SESSION))
    assert storage.most == 1
    assert storage.open_now == 1


@pytest.mark.asyncio
async def test_a_close_that_takes_too_long_is_given_up(monkeypatch):
    monkeypatch.setattr("shopify_session_storage.lifecycle._CLOSE_SECONDS", 0.05)
    storage = Resources()
    await storage.ready()
    storage.hold("close")
    await asyncio.wait_for(storage.disconnect(), 5)
    assert [name for name, _ in storage.calls][-2:] == ["close", "abandon"]
    storage.gates.clear()
    assert await storage.is_ready() is True


def in_a_child(work):
    """Return what *work* returns, a text, in a forked child."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        try:
            answer = work()
        except BaseException as error:
            answer = repr(error)
        os.write(writer, answer.encode())
        os._exit(0)
    os.close(writer)
    answer = os.read(reader, 1000).decode()
    os.waitpid(child, 0)
    os.close(reader)
    return answer


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


@needs_fork
@pytest.mark.parametrize("moment", ["before", "open", "under way", "holding the mutex"])
@pytest.mark.asyncio
async def test_a_child_forked_from_a_running_loop_opens_anew_and_touches_nothing(moment):
    storage = Resources()
    storage.rows["a"] = SESSION
    if moment != "before":
        await storage.ready()
    if moment == "under way":
        storage.hold("store")
        spawn(storage.store_session(SESSION), storage.store_session(SESSION))
        await settle()
    storage.calls.clear()

    def work():
        storage.gates.clear()
        stored = asyncio.run(storage.store_session(SESSION))
        return f"{stored} {[name for name, _ in storage.calls]} {storage.forgotten > 0}"

    if moment == "holding the mutex":
        with mutex():
            answer = in_a_child(work)
    else:
        answer = in_a_child(work)
    assert answer == f"True ['open', 'store'] {moment != 'before'}"
    assert storage.forgotten == 0
    for gate in storage.gates.values():
        gate.set()
    assert await storage.store_session(SESSION) is True


@needs_fork
@pytest.mark.asyncio
async def test_leases_and_locks_of_the_parent_do_not_bind_its_child():
    storage = Resources()
    hour = timedelta(hours=1)
    assert await storage.acquire_lease("lease", "parent", hour)

    def work():
        return str(asyncio.run(storage.acquire_lease("lease", "child", hour)))

    assert in_a_child(work) == "True"
    assert not await storage.acquire_lease("lease", "other", hour)


@needs_fork
def test_threads_of_a_child_that_begin_together_share_its_locks():
    storages = [Resources() for _ in range(200)]
    for storage in storages:
        storage._process_locks()

    def share(storage):
        barrier, found = threading.Barrier(8), []

        def look():
            barrier.wait()
            found.append(storage._process_locks())

        threads = [threading.Thread(target=look) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return len(found) == 8 and len(set(map(id, found))) == 1

    def work():
        sys.setswitchinterval(1e-6)
        return str(all(map(share, storages)))

    assert in_a_child(work) == "True"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(["store", "load", "disconnect", "fail to open", "cancel", "new loop"]),
        max_size=12,
    )
)
def test_whatever_happens_one_thing_is_open_at_most(steps):
    storage = Resources()

    async def one(step):
        if step == "store":
            await storage.store_session(SESSION)
        elif step == "load":
            await storage.load_session("a")
        elif step == "disconnect":
            await storage.disconnect()
            assert storage.open_now == 0
        elif step == "fail to open":
            await storage.disconnect()
            storage.errors["open"] = [DriverError()]
            assert await storage.is_ready() is False
            assert storage.open_now == 0
        elif step == "cancel":
            calls = spawn(storage.load_session("a"), storage.store_session(SESSION))
            await asyncio.sleep(0)
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)

    async def run(batch):
        for step in batch:
            await one(step)

    batch = []
    for step in [*steps, "new loop"]:
        if step == "new loop":
            asyncio.run(run(batch))
            batch = []
        else:
            batch.append(step)
    assert storage.most <= 1
