"""The facade for code that does not await."""

import asyncio
import inspect
import os
import signal
import sys
import threading
import time
import traceback
import types
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from shopify_session_storage import (
    CustomSessionStorage,
    SessionPage,
    SessionStorage,
    SessionStorageUnavailableError,
)
from shopify_session_storage.access_tokens import AccessTokenStore
from shopify_session_storage.failures import failures_raised
from shopify_session_storage.sync import SyncAccessTokenStore, SyncSessionStorage, portal
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_memory import MemorySessionStorage
from shopify_session_storage_sqlite import SQLiteSessionStorage

from .scripted import DriverError, ScriptedStorage
from .test_lifecycle import in_a_child, needs_fork

SESSION = offline_session("a.myshopify.com")
METHODS = [
    name
    for name, member in inspect.getmembers(SessionStorage, inspect.isfunction)
    if not name.startswith("_") and inspect.iscoroutinefunction(member)
]


@pytest.mark.parametrize("name", METHODS)
def test_each_method_is_there_with_the_same_signature_and_does_not_await(name):
    theirs = inspect.signature(getattr(SessionStorage, name))
    mine = inspect.signature(getattr(SyncSessionStorage, name))
    assert mine.parameters.keys() == theirs.parameters.keys()
    for one, other in zip(mine.parameters.values(), theirs.parameters.values(), strict=True):
        assert (one.kind, one.default, one.annotation) == (
            other.kind, other.default, other.annotation,
        )  # fmt: skip
    assert str(mine.return_annotation).rpartition(".")[2].rstrip("'>") == str(
        theirs.return_annotation
    ).rpartition(".")[2].rstrip("'>")
    assert not inspect.iscoroutinefunction(getattr(SyncSessionStorage, name))


def test_calls_of_many_threads_travel_together():
    storage = ScriptedStorage()
    facade = SyncSessionStorage(storage)
    facade.ready()
    gate = storage.hold("load")
    with ThreadPoolExecutor(16) as pool:
        loads = [pool.submit(facade.load_session, f"{number}") for number in range(16)]
        while len(storage.under_way) < 1 or storage._lanes.loading._waiting.__len__() < 15:
            time.sleep(0.01)
        portal.portal()._loop.call_soon_threadsafe(gate.set)
        assert [load.result(10) for load in loads] == [None] * 16
    assert len(storage.arguments("load")) == 2


def test_in_a_running_event_loop_it_is_refused_rather_than_blocking_it():
    facade = SyncSessionStorage(MemorySessionStorage())

    async def handler():
        with pytest.raises(RuntimeError, match="an event loop is running in this thread"):
            facade.load_session("a")
        assert await asyncio.to_thread(facade.load_session, "a") is None

    asyncio.run(handler())


def test_a_call_ends_within_the_facades_time():
    storage = ScriptedStorage()
    facade = SyncSessionStorage(storage, timeout=timedelta(milliseconds=200))
    facade.ready()
    storage.hold("load")
    began = time.monotonic()
    with pytest.raises(SessionStorageUnavailableError, match=r"no answer within 0\.2 s"):
        facade.load_session("a")
    assert time.monotonic() - began < 2
    storage.gates.clear()
    assert facade.load_session("b") is None


@pytest.mark.parametrize(
    ("timeout", "error"),
    [(30, TypeError), ("30", TypeError), (timedelta(0), ValueError)],
)
def test_a_timeout_that_is_none_is_refused(timeout, error):
    with pytest.raises(error, match="timeout must be"):
        SyncSessionStorage(MemorySessionStorage(), timeout=timeout)


def test_something_else_than_a_storage_is_refused():
    with pytest.raises(TypeError, match="must be a SessionStorage, not str"):
        SyncSessionStorage("sqlite:///a.db")


def test_the_callers_context_goes_along():
    storage = ScriptedStorage(on_error="log")
    storage.failing["load"] = lambda _: DriverError()
    facade = SyncSessionStorage(storage)
    assert facade.load_session("a") is None
    with failures_raised(), pytest.raises(SessionStorageUnavailableError):
        facade.load_session("a")


def test_bad_arguments_raise_here_too():
    facade = SyncSessionStorage(MemorySessionStorage())
    with pytest.raises(TypeError):
        facade.load_session(1)
    with pytest.raises(ValueError, match="must not be empty"):
        facade.load_session("")


def test_what_waits_is_ended_by_a_signals_handler():
    """A job queue's time limit is an exception in the main thread."""
    storage = ScriptedStorage()
    facade = SyncSessionStorage(storage)
    facade.ready()
    storage.hold("load")

    def over(*_):
        raise InterruptedError("the job's time is over")

    previous = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(InterruptedError, match="time is over"):
            facade.load_session("a")
    finally:
        signal.signal(signal.SIGALRM, previous)
    storage.gates.clear()
    assert facade.load_session("b") is None


def test_what_comes_at_the_last_moment_is_returned(monkeypatch):
    class Late(Future):
        def result(self, timeout=None):
            while not self.done():
                time.sleep(0.001)
            if timeout is not None:
                raise TimeoutError
            return super().result()

    monkeypatch.setattr(portal, "Future", Late)
    facade = SyncSessionStorage(MemorySessionStorage())
    assert facade.store_session(SESSION) is True
    with pytest.raises(ValueError, match="must not be empty"):
        facade.load_session("")


@dataclass
class Callbacks(CustomSessionStorage):
    """A third party's storage: it has no hash."""

    def __init__(self, load):
        super().__init__(
            store=None, load=load, delete=lambda _: True, find_sessions_by_shop=lambda _: []
        )


def test_a_callback_that_ends_the_process_ends_its_caller_alone():
    answers = [SystemExit(3), TimeoutError("no luck"), None]

    def load(_):
        if answer := answers.pop(0):
            raise answer

    facade = SyncSessionStorage(Callbacks(load), timeout=timedelta(seconds=5))
    with pytest.raises(SystemExit):
        facade.load_session("a")
    with pytest.raises(TimeoutError, match="no luck"):
        facade.load_session("a")
    assert facade.load_session("a") is None


def test_what_a_method_raises_without_being_awaited_is_raised():
    class Odd(MemorySessionStorage):
        def load_session(self, id):
            raise LookupError(id)

    with pytest.raises(LookupError):
        SyncSessionStorage(Odd()).load_session("a")


def test_all_steps_of_a_walk_have_the_callers_context():
    seen = []
    asked = ContextVar("asked", default=None)

    class Walked(MemorySessionStorage):
        async def scan_sessions(self, *, after=None, batch=500):
            before = asked.get()
            token = asked.set("walking")
            for _ in range(3):
                seen.append((before, asked.get()))
                yield SessionPage()
            asked.reset(token)

    asked.set("asked")
    assert len(list(SyncSessionStorage(Walked()).scan_sessions())) == 3
    assert seen == [("asked", "walking")] * 3


@needs_fork
def test_forked_children_and_their_parent_go_on_side_by_side(tmp_path):
    facade = SyncSessionStorage(SQLiteSessionStorage(tmp_path / "s.db", on_error="raise"))
    facade.store_session(SESSION)

    def work():
        def one(number):
            session = offline_session(f"{os.getpid()}-{number}.myshopify.com")
            assert facade.store_session(session)
            return facade.load_session(session.id).equals(session)

        with ThreadPoolExecutor(8) as pool:
            return str(set(pool.map(one, range(100))))

    answers = []
    threads = [threading.Thread(target=lambda: answers.append(in_a_child(work))) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert work() == "{True}"
    for thread in threads:
        thread.join()
    assert answers == ["{True}"] * 4
    facade.disconnect()


@pytest.mark.parametrize("part", ["thread", "threading", "select", "socket"])
@pytest.mark.parametrize(
    ("name", "module", "check"),
    [
        ("gevent", "gevent.monkey", "is_module_patched"),
        ("eventlet", "eventlet.patcher", "is_monkey_patched"),
    ],
)
def test_green_threads_are_refused_with_a_clear_error(name, module, check, part, monkeypatch):
    monkeypatch.setattr(portal, "_portals", [])
    patches = types.SimpleNamespace(**{check: lambda asked: asked == part})
    monkeypatch.setitem(sys.modules, module, patches)
    with pytest.raises(RuntimeError, match=f"{name} has replaced Python's {part}"):
        SyncSessionStorage(MemorySessionStorage()).ready()


def test_gevent_that_is_imported_and_has_replaced_nothing_does_no_harm(monkeypatch):
    patches = types.SimpleNamespace(is_module_patched=lambda _: False)
    monkeypatch.setitem(sys.modules, "gevent.monkey", patches)
    portal._refuse_green_threads()


TOKEN_METHODS = [
    name
    for name, member in inspect.getmembers(AccessTokenStore, inspect.isfunction)
    if not name.startswith("_")
]


@pytest.mark.parametrize("name", TOKEN_METHODS)
def test_each_method_of_access_tokens_is_there_with_the_same_parameters(name):
    theirs = inspect.signature(getattr(AccessTokenStore, name))
    mine = inspect.signature(getattr(SyncAccessTokenStore, {"aclose": "close"}.get(name, name)))
    assert mine.parameters.keys() == theirs.parameters.keys()
    for one, other in zip(mine.parameters.values(), theirs.parameters.values(), strict=True):
        assert (one.kind, one.default) == (other.kind, other.default)


def test_an_access_token_is_saved_read_refused_and_deleted(tmp_path):
    facade = SyncSessionStorage(SQLiteSessionStorage(tmp_path / "s.db"))
    expires = datetime.now(UTC) + timedelta(hours=1)
    with SyncAccessTokenStore(facade) as tokens:
        tokens.save(
            {
                "shop": "alpha",
                "token": "shpat_1",
                "access_mode": "offline",
                "scope": "read_products",
                "expires": expires.isoformat(),
                "refresh_token": "shprt_1",
                "refresh_token_expires": (expires + timedelta(days=90)).isoformat(),
            }
        )
        assert tokens.get("alpha").token == tokens.load("alpha").token == "shpat_1"
        assert [due.shop for due in tokens.iter_refresh_due()] == []
        assert tokens.delete("alpha", only_if="shpat_another") is False
        assert tokens.delete("alpha", only_if="shpat_1") is True
        assert tokens.get("alpha") is None
    facade.disconnect()


def test_no_frame_of_the_facade_shows_a_token():
    tokens = SyncAccessTokenStore(MemorySessionStorage())
    secret = "shpat_0123456789"
    calls = [
        lambda token: tokens.save({"shop": "alpha", "token": token}),
        lambda token: tokens.get("", refused=token),
        lambda token: tokens.delete("", only_if=token),
        lambda token: tokens.get_or_exchange({"id_token": {"token": token}}),
    ]
    for call in calls:
        try:
            call(secret)
        except Exception as error:
            frames = traceback.TracebackException.from_exception(error, capture_locals=True).stack
        ours = [frame.locals for frame in frames if frame.filename != __file__]
        assert secret not in str(ours)
