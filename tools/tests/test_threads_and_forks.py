"""Threads, event loops of their own and forks, in real frameworks on real servers."""

import asyncio
import gc
import os
import sqlite3
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import django
import flask
import pytest
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import path
from servers.places import NETWORKED, behind_proxy, place
from shopify_session_storage import SessionStorageUnavailableError, open_session_storage
from shopify_session_storage.sync import SyncSessionStorage
from shopify_session_storage.testing.sessions import offline_session

BACKENDS = ("sqlite", "postgresql", "mysql", "redis")
THREADS, REQUESTS = 8, 30
REFUSED = "in use on another running event loop"

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


@pytest.fixture(params=BACKENDS)
def address(request, tmp_path):
    url = "" if request.param == "sqlite" else request.getfixturevalue(f"{request.param}_url")
    return place(request.param, url, tmp_path, f"threads_{request.param}_{os.getpid()}")


def request_shops(number):
    return f"shop-{number}.myshopify.com"


def in_threads(answer):
    """Return what the requests of all threads were answered with, counted."""
    with ThreadPoolExecutor(THREADS) as pool:
        return Counter(pool.map(answer, range(THREADS * REQUESTS)))


def answer_of(work):
    """Return the status of a request that does *work*, and of the error that it may meet."""
    try:
        return "200" if work() else "nothing stored"
    except RuntimeError as error:
        return "refused" if REFUSED in str(error) else repr(error)
    except Exception as error:
        return repr(error)


def flask_program(visit):
    app = flask.Flask(__name__)

    @app.get("/<shop>")
    def home(shop):
        return answer_of(lambda: visit(shop))

    return lambda number: app.test_client().get(f"/{request_shops(number)}").text


def django_program(visit):
    if not settings.configured:
        settings.configure(ROOT_URLCONF="", ALLOWED_HOSTS=["*"], SECRET_KEY="none", USE_TZ=True)
        django.setup()

    def home(_, shop):
        return HttpResponse(answer_of(lambda: visit(shop)))

    urls = type("urls", (), {"urlpatterns": [path("<shop>", home)]})
    handler = WSGIHandler()

    def answer(number):
        request = RequestFactory().get(f"/{request_shops(number)}")
        request.urlconf = urls
        return handler.get_response(request).content.decode()

    return answer


async def visit(storage, shop):
    session = offline_session(shop)
    await storage.store_session(session)
    return await storage.load_session(session.id)


def outside_writer(url, until):
    """Write to an SQLite file until told to stop, and return what went wrong."""
    problems = []
    file = url.removeprefix("sqlite:///")

    def write():
        while not until.is_set():
            connection = sqlite3.connect(file, timeout=5)
            try:
                with connection:
                    connection.execute("CREATE TABLE IF NOT EXISTS others (n integer)")
                    connection.execute("INSERT INTO others VALUES (1)")
            except sqlite3.Error as error:
                problems.append(repr(error))
            finally:
                connection.close()
            time.sleep(0.02)

    thread = threading.Thread(target=write)
    thread.start()
    return thread, problems


# What an event loop leaves open when it ends, a program that disconnects nowhere leaves to Python.
@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize("framework", [flask_program, django_program])
def test_a_storage_at_module_level_in_a_threaded_program(framework, address):
    """Each request makes an event loop: it is answered, or gets the one clear error."""
    url, options = address
    storage = open_session_storage(url, **options)
    until = threading.Event()
    if url.startswith("sqlite"):
        writer, problems = outside_writer(url, until)
    answers = in_threads(framework(lambda shop: asyncio.run(visit(storage, shop))))
    until.set()
    assert set(answers) <= {"200", "refused"}
    assert answers["200"] > 0
    if url.startswith("sqlite"):
        writer.join()
        assert problems == []
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=1)
        connection.execute("BEGIN IMMEDIATE")  # nobody has left it locked
        connection.close()
    asyncio.run(storage.disconnect())
    gc.collect()


@pytest.mark.parametrize("framework", [flask_program, django_program])
def test_the_facade_answers_every_request_of_a_threaded_program(framework, address):
    url, options = address
    facade = SyncSessionStorage(open_session_storage(url, **options))

    def visit(shop):
        session = offline_session(shop)
        return facade.store_session(session) and facade.load_session(session.id)

    assert in_threads(framework(visit)) == {"200": THREADS * REQUESTS}
    facade.disconnect()


def children(count, work):
    """Return what *work* returns, a text, in each of so many forked children."""
    readers = []
    for number in range(count):
        reader, writer = os.pipe()
        if os.fork() == 0:
            try:
                answer = work(number)
            except BaseException as error:
                answer = repr(error)
            os.write(writer, answer.encode()[:900])
            os._exit(0)
        os.close(writer)
        readers.append(reader)
    answers = []
    for reader in readers:
        with os.fdopen(reader, "rb") as pipe:
            answers.append(pipe.read().decode())
        os.wait()
    return answers


@needs_fork
@pytest.mark.asyncio
async def test_children_forked_from_a_running_event_loop_and_their_parent_all_go_on(address):
    url, options = address
    storage = open_session_storage(url, **options)
    await visit(storage, "parent.myshopify.com")

    def work(number):
        async def visits():
            for turn in range(20):
                shop = f"child-{number}-{turn}.myshopify.com"
                assert (await visit(storage, shop)).shop == shop
            await storage.disconnect()

        asyncio.run(asyncio.wait_for(visits(), 60))
        return "done"

    running = asyncio.ensure_future(asyncio.to_thread(children, 4, work))
    turn = 0
    while not running.done():
        turn += 1
        assert await visit(storage, f"parent-{turn % 50}.myshopify.com")
        await asyncio.sleep(0.01)
    assert await running == ["done"] * 4
    assert await visit(storage, "parent.myshopify.com")
    await storage.disconnect()


@needs_fork
def test_the_facade_in_forked_children_with_many_threads(address):
    url, options = address
    facade = SyncSessionStorage(open_session_storage(url, **options))
    facade.ready()

    def work(number):
        def one(turn):
            session = offline_session(f"{number}-{turn % 40}.myshopify.com")
            return facade.store_session(session) and facade.load_session(session.id) is not None

        with ThreadPoolExecutor(16) as pool:
            answer = str(set(pool.map(one, range(300))))
        facade.disconnect()
        return answer

    assert children(4, work) == ["{True}"] * 4
    assert work("parent") == "{True}"


@pytest.mark.parametrize("backend", NETWORKED)
@pytest.mark.asyncio
async def test_on_a_frozen_connection_every_call_is_back_within_its_time(
    backend, request, tmp_path
):
    limit = 1.0
    async with behind_proxy(request.getfixturevalue(f"{backend}_url")) as (url, proxy):
        url, options = place(backend, url, tmp_path)
        storage = open_session_storage(url, timeout=timedelta(seconds=limit), **options)
        session = offline_session("a.myshopify.com")
        await storage.store_session(session)
        proxy.freeze()
        calls = {
            "load": lambda: storage.load_session(session.id),
            "store": lambda: storage.store_session(session),
            "find": lambda: storage.find_sessions_by_shop(session.shop),
            "delete": lambda: storage.delete_session("another"),
            "compare_and_store": lambda: storage.compare_and_store(session, session),
            "compare_and_delete": lambda: storage.compare_and_delete(session),
            "ready": storage.ready,
        }
        seconds = {}
        for name, call in calls.items():
            began = time.monotonic()
            with pytest.raises(SessionStorageUnavailableError):
                await call()
            seconds[name] = time.monotonic() - began
            began = time.monotonic()
            with pytest.raises((TimeoutError, SessionStorageUnavailableError)):
                async with asyncio.timeout(0.3):
                    await call()
            seconds[f"{name}, cancelled"] = time.monotonic() - began
        proxy.thaw()
        assert max(seconds.values()) < limit + 2, seconds
        async with asyncio.timeout(30):
            assert await visit(storage, "b.myshopify.com")
        await storage.disconnect()
