"""What is particular to namespaces: requests, their failures, clients, namespaces of one's own."""

import asyncio
import gc
import json
import logging
import random
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from servers import kv
from servers.discovery import free_port
from shopify_session_storage import (
    Session,
    SessionStorageUnavailableError,
    open_session_storage,
)
from shopify_session_storage.testing.sessions import offline_session, online_session, unique
from shopify_session_storage_kv_style import (
    BulkKVNamespace,
    CloudflareKVError,
    CloudflareKVNamespace,
    KVNamespace,
    KVNamespaceError,
    KVSessionStorage,
    WorkersKVNamespace,
)

from .conftest import api_of, in_pyodide, namespace_of, through


@pytest.fixture
def shop():
    """Return a shop that no other test uses."""
    return f"{unique('shop')}.example"


@dataclass
class Plain:
    """A namespace of one's own: not hashable, and without bulk calls."""

    namespace: KVNamespace

    async def get(self, key):
        return await self.namespace.get(key)

    async def put(self, key, value):
        await self.namespace.put(key, value)

    async def delete(self, key):
        await self.namespace.delete(key)


@pytest.fixture(params=["with bulk calls", "without"])
def namespace(request, raw):
    """Return a namespace with bulk calls, and one without."""
    return raw if request.param == "with bulk calls" else Plain(raw)


# --- round trips and load -------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_operations_take_the_requests_that_are_told(kv_url, shop, proxy):
    async with open_session_storage(through(proxy, kv_url), on_error="raise") as storage:
        many = [online_session(shop, user) for user in range(50)]
        moved = replace(many[0], shop=f"other.{shop}")
        for call, requests in (
            (lambda: storage.store_session(many[0]), 3),  # read, list, session
            (lambda: storage.store_session(many[0]), 2),  # it is in the list
            (lambda: asyncio.gather(*map(storage.store_session, many)), 5),  # in two groups
            (lambda: storage.load_session(many[0].id), 1),
            (lambda: storage.load_session("missing"), 1),
            (lambda: storage.find_sessions_by_shop(shop), 2),
            (lambda: storage.store_session(moved), 4),  # and read the old list, write both
            (lambda: storage.delete_session(many[1].id), 4),
            (lambda: storage.delete_session("missing"), 2),
            (lambda: storage.delete_sessions(session.id for session in many[2:]), 4),
        ):
            proxy.reset()
            await call()
            assert proxy.round_trips == requests


@pytest.mark.asyncio
async def test_calls_that_wait_travel_in_few_requests(kv_url, shop, proxy):
    async with open_session_storage(through(proxy, kv_url), on_error="raise") as storage:
        many = [online_session(shop, user) for user in range(200)]
        await asyncio.gather(*map(storage.store_session, many))
        proxy.reset()
        loaded = await asyncio.gather(*(storage.load_session(session.id) for session in many))
        assert proxy.round_trips <= 6
        assert all(one.equals(other) for one, other in zip(many, loaded, strict=True))


@pytest.mark.asyncio
async def test_big_shops_and_many_tasks(kv_url, shop):
    minute = timedelta(minutes=1)  # all of them wait from the start
    async with open_session_storage(kv_url, on_error="raise", timeout=minute) as storage:
        await use_big_shop(storage, shop)


async def use_big_shop(storage, shop):
    many = [online_session(shop, user) for user in range(10_000)]
    assert all(await asyncio.gather(*map(storage.store_session, many)))
    found = {one.id: one for one in await storage.find_sessions_by_shop(shop)}
    assert len(found) == 10_000
    assert all(one.equals(found[one.id]) for one in many)

    async def task(number: int) -> None:
        for session in many[number:2000:200]:
            assert session.equals(await storage.load_session(session.id))

    await asyncio.gather(*map(task, range(200)))


@pytest.mark.asyncio
async def test_sessions_that_move_between_shops_are_listed_where_they_are(namespace, shop):
    chance = random.Random(7)
    storages = [KVSessionStorage(namespace, on_error="raise") for _ in range(4)]

    async def writer(storage: KVSessionStorage) -> None:
        for _ in range(12):
            id, number = f"id{chance.randrange(4)} {shop}", chance.randrange(3)
            if chance.random() < 0.3:
                await storage.delete_session(id)
            else:
                await storage.store_session(offline_session(f"{number}.{shop}", id=id))

    await asyncio.gather(*(writer(storage) for storage in storages for _ in range(3)))
    stored = [one for n in range(4) if (one := await storages[0].load_session(f"id{n} {shop}"))]
    for number in range(3):
        found = await storages[1].find_sessions_by_shop(f"{number}.{shop}")
        assert {one.id for one in found} == {
            one.id for one in stored if one.shop == f"{number}.{shop}"
        }


@pytest.mark.asyncio
async def test_namespace_without_bulk_calls_serves_many(raw, shop):
    storage = KVSessionStorage(Plain(raw), on_error="raise")
    many = [online_session(shop, user) for user in range(50)]
    assert all(await asyncio.gather(*map(storage.store_session, many)))
    assert len(await storage.find_sessions_by_shop(shop)) == 50
    loaded = await asyncio.gather(*(storage.load_session(one.id) for one in many))
    assert all(one.equals(other) for one, other in zip(many, loaded, strict=True))
    assert await storage.delete_sessions(one.id for one in many) is True
    assert await storage.find_sessions_by_shop(shop) == []


# --- failures of the API --------------------------------------------------------------------------


def refusal(status: int, code: int, message: str = "no", **headers: str) -> dict[str, Any]:
    body = json.dumps({"success": False, "errors": [{"code": code, "message": message}]})
    return {"status": status, "body": body, "headers": headers}


SOON = format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)
HTML = {"status": 502, "body": "<html>Bad gateway</html>", "headers": {}}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "planned",
    [
        [refusal(429, 10429, **{"Retry-After": "1"}), refusal(429, 10429)],
        [refusal(503, 1, **{"Retry-After": SOON}), refusal(500, 1, **{"Retry-After": "soon"})],
        [HTML, {"status": 599, "body": "", "headers": {"Retry-After": "-1"}}],
    ],
)
async def test_what_passes_is_waited_for(storage, shop, faults, planned):
    session = offline_session(shop)
    await faults(*planned)
    assert await storage.store_session(session) is True
    await faults(*planned)
    assert session.equals(await storage.load_session(session.id))
    assert len(await storage.find_sessions_by_shop(shop)) == 1


@pytest.mark.asyncio
async def test_keys_that_a_bulk_call_leaves_out_are_sent_again(storage, shop, faults):
    many = [online_session(shop, user) for user in range(10)]
    none = {}
    # Of a group: the reads, the list, the sessions.
    await storage.store_session(many[0])
    await faults(none, {"unsuccessful": True}, {"unsuccessful": True})
    first = storage.store_session(many[0])
    assert all(await asyncio.gather(first, *map(storage.store_session, many[1:])))
    assert len(await storage.find_sessions_by_shop(shop)) == 10
    await faults(none, {"unsuccessful": True}, {"unsuccessful": True})
    assert await storage.delete_sessions(one.id for one in many) is True
    assert await storage.load_session(many[0].id) is None
    assert await storage.find_sessions_by_shop(shop) == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("planned", "match", "status", "code"),
    [
        ([refusal(429, 10429, **{"Retry-After": "300"})], "HTTP 429, code 10429: too many", 429,
         10429),
        ([refusal(401, 10000)], "401, code 10000: the API token is not accepted", 401, 10000),
        ([refusal(403, 9109)], "403, code 9109: the API token is not accepted for", 403, 9109),
        ([refusal(404, 10013)], "there is no such namespace", 404, 10013),
        ([refusal(404, 7003)], "there is no such account or namespace", 404, 7003),
        ([{"status": 404, "body": "null", "headers": {}}], "HTTP 404", 404, None),
        ([refusal(400, 10048)], "daily limit", 400, 10048),
        ([{"status": 302, "body": "", "headers": {"Location": "/"}}], "HTTP 302", 302, None),
    ],
)  # fmt: skip
async def test_what_does_not_pass_is_told_at_once(
    storage, shop, faults, planned, match, status, code
):
    await faults(*planned)
    with pytest.raises(SessionStorageUnavailableError, match=match) as caught:
        await storage.load_session(offline_session(shop).id)
    error = caught.value.__cause__
    assert isinstance(error, CloudflareKVError)
    assert (error.status, error.code) == (status, code)
    assert await storage.load_session(offline_session(shop).id) is None  # it was one request


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(None, "lost"), (401, "denied"), (403, "denied"), (404, "unavailable"), (400, "unavailable"),
     (413, "data"), (429, "unavailable"), (500, "unavailable"), (503, "unavailable")],
)  # fmt: skip
def test_every_status_has_a_meaning(status, verdict):
    assert KVSessionStorage()._verdict(CloudflareKVError("of the test", status)) == verdict


@pytest.mark.asyncio
async def test_lost_connection_of_a_namespace_of_ones_own_is_tried_once_more(raw, shop):
    class Lossy(Plain):
        left = 0

        async def get(self, key):
            if self.left:
                self.left -= 1
                raise ConnectionResetError("of the test")
            return await self.namespace.get(key)

    namespace = Lossy(raw)
    storage = KVSessionStorage(namespace, on_error="raise")
    session = offline_session(shop)
    await storage.store_session(session)
    namespace.left = 1
    assert session.equals(await storage.load_session(session.id))
    namespace.left = 2
    with pytest.raises(SessionStorageUnavailableError, match="ConnectionResetError"):
        await storage.load_session(session.id)


@pytest.mark.asyncio
@pytest.mark.parametrize("body", ["<html>", "[]", '{"result":[]}', '{"result":{"values":[]}}'])
async def test_answer_that_is_not_the_apis_is_a_failure(storage, shop, faults, body):
    await storage.store_session(offline_session(shop))
    await storage.store_session(online_session(shop))
    await faults({}, {"status": 200, "body": body, "headers": {}})
    with pytest.raises(SessionStorageUnavailableError, match="does not come from Cloudflare's API"):
        await storage.find_sessions_by_shop(shop)


@pytest.mark.asyncio
async def test_failure_is_told_without_what_it_repeats(kv_url, shop, faults, caplog):
    session = offline_session(shop, access_token="shpat_secret")
    repeats = refusal(400, 10001, f"cannot parse 'shpat_secret' of '{kv.TOKEN}'")
    async with open_session_storage(kv_url, on_error="raise") as storage:
        for planned in ([repeats], [{}, repeats], [{}, {}, repeats]):
            await faults(*planned)
            with pytest.raises(SessionStorageUnavailableError) as caught:
                await storage.store_session(session)
            assert_silent(caught.value)
    with caplog.at_level(logging.DEBUG):
        async with open_session_storage(kv_url) as storage:
            assert await storage.store_session(session) is True
            await faults(repeats)
            assert await storage.store_session(session) is False
        assert await open_session_storage(kv.url_of(free_port())).store_session(session) is False
    assert "HTTP 400, code 10001" in caplog.text
    assert "shpat" not in caplog.text
    assert kv.TOKEN not in caplog.text


def assert_silent(error: BaseException | None) -> None:
    while error is not None:
        shown = f"{error} {error!r} {error.args} {vars(error)}"
        assert "secret" not in shown
        assert kv.TOKEN not in shown
        assert not isinstance(error, httpx.HTTPError)  # they hold the request
        error = error.__cause__ or error.__context__


@pytest.mark.asyncio
async def test_wrong_credentials_are_told_by_ready(kv_url):
    api = api_of(kv_url)
    for account, namespace, token, match in (
        (kv.ACCOUNT, kv.NAMESPACES[0], "secret", "the API token is not accepted$"),
        ("0" * 32, kv.NAMESPACES[0], kv.TOKEN, "not accepted for this account"),
        (kv.ACCOUNT, "0" * 32, kv.TOKEN, "there is no such namespace"),
    ):
        async with CloudflareKVNamespace(account, namespace, token, base_url=api) as wrong:
            storage = KVSessionStorage(wrong)
            with pytest.raises(SessionStorageUnavailableError, match=match) as caught:
                await storage.ready()
            assert_silent(caught.value)
            assert not await storage.is_ready()


# --- connections ----------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_lost_connections_never_reach_the_caller(kv_url, shop, proxy):
    async with open_session_storage(through(proxy, kv_url), on_error="raise") as storage:
        many = [online_session(shop, user) for user in range(30)]
        await asyncio.gather(*map(storage.store_session, many))
        for turn in range(10):
            proxy.cut()
            loaded = await asyncio.gather(*(storage.load_session(one.id) for one in many))
            assert all(one.equals(other) for one, other in zip(many, loaded, strict=True))
            stores = asyncio.gather(*map(storage.store_session, many))
            for _ in range(turn):
                await asyncio.sleep(0)
            proxy.cut()
            assert all(await stores)
        assert len(await storage.find_sessions_by_shop(shop)) == 30


@pytest.mark.asyncio
async def test_storage_survives_a_restart_of_the_server(kv_url, shop):
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        server = kv.local(Path(name), port)
        url = await asyncio.to_thread(server.__enter__)
        async with open_session_storage(url, on_error="raise") as storage:
            many = [online_session(shop, user) for user in range(20)]
            await asyncio.gather(*map(storage.store_session, many))
            await asyncio.to_thread(server.__exit__, None, None, None)
            with pytest.raises(SessionStorageUnavailableError):
                await storage.load_session(many[0].id)
            server = kv.local(Path(name), port)
            await asyncio.to_thread(server.__enter__)
            loaded = await asyncio.gather(*(storage.load_session(one.id) for one in many))
            assert all(one.equals(other) for one, other in zip(many, loaded, strict=True))
            assert await storage.store_session(many[0]) is True
            await asyncio.to_thread(server.__exit__, None, None, None)


@pytest.mark.asyncio
async def test_cancelled_calls_never_mix_up_answers(storage, shop):
    many = [offline_session(f"{number}.{shop}") for number in range(10)]
    await asyncio.gather(*map(storage.store_session, many))
    for turn in range(40):
        calls = [storage.load_session(one.id) for one in many]
        calls += [storage.find_sessions_by_shop(one.shop) for one in many[:3]]
        tasks = [asyncio.ensure_future(call) for call in calls]
        await asyncio.sleep(turn % 20 / 5000)
        for task in tasks[:: 1 + turn % 3]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for one, result in zip(many, results[:10], strict=True):
            assert isinstance(result, asyncio.CancelledError) or one.equals(result)
        for one, result in zip(many, results[10:], strict=False):
            assert isinstance(result, asyncio.CancelledError) or one.equals(result[0])


class Sent(Plain):
    """A namespace whose puts arrive though their caller is cancelled, as what was sent does."""

    def on_its_way(self, late: bool) -> None:
        self.late = late
        self.sent = asyncio.Event()

    async def put(self, key, value):
        async def arrive(seconds: float) -> None:
            await asyncio.sleep(seconds)
            await self.namespace.put(key, value)

        self.sent.set()
        self.late, seconds = False, 0.2 if self.late else 0
        await asyncio.shield(arrive(seconds))


@pytest.mark.asyncio
async def test_cancelled_store_never_arrives_after_the_next(raw, shop):
    namespace = Sent(raw)
    storage = KVSessionStorage(namespace, on_error="raise")
    namespace.on_its_way(late=False)
    await storage.store_session(offline_session(shop))
    namespace.on_its_way(late=True)
    older, newer = offline_session(shop), offline_session(shop)
    task = asyncio.ensure_future(storage.store_session(older))
    await namespace.sent.wait()
    task.cancel()
    assert await storage.store_session(newer) is True
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.3)
    assert newer.equals(await storage.load_session(newer.id))


def test_storage_follows_to_a_new_event_loop_without_disconnect(kv_url, shop):
    session = offline_session(shop)

    async def load(storage: KVSessionStorage) -> Session | None:
        async with storage:
            return await storage.load_session(session.id)

    def twice() -> None:
        storage = open_session_storage(kv_url, on_error="raise")
        assert asyncio.run(storage.store_session(session)) is True
        assert asyncio.run(load(storage)).equals(session)
        gc.collect()

    with pytest.warns(ResourceWarning):  # of the connections of the loop that ended
        twice()


def test_forked_children_of_a_running_loop_work_beside_their_parent(kv_url, shop):
    program = """
        import asyncio, os, sys
        from shopify_session_storage import open_session_storage
        from shopify_session_storage.testing.sessions import online_session

        url, shop = sys.argv[1:]
        storage = open_session_storage(url, on_error="raise")

        async def work(number):
            for user in range(3):
                session = online_session(f"{number}.{shop}", user)
                assert await storage.store_session(session)
                assert session.equals(await storage.load_session(session.id))

        async def main():
            await work(0)
            children = []
            for number in range(1, 4):
                child = os.fork()
                if not child:
                    asyncio._set_running_loop(None)
                    try:
                        asyncio.run(work(number))
                    except BaseException as error:
                        print(repr(error), file=sys.stderr)
                        os._exit(1)
                    os._exit(0)
                children.append(child)
                await work(0)
            for child in children:
                assert (await asyncio.to_thread(os.waitpid, child, 0))[1] == 0
            await work(0)
            await storage.disconnect()

        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), kv_url, shop],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.asyncio
async def test_client_of_the_user_is_used_and_left_open(kv_url, shop):
    sent = []

    async def record(request: httpx.Request) -> None:
        sent.append(request)

    async with httpx.AsyncClient(event_hooks={"request": [record]}) as client:
        async with (
            namespace_of(kv_url, client=client) as namespace,
            KVSessionStorage(namespace, on_error="raise") as storage,
        ):
            await storage.store_session(offline_session(shop))
        assert len(sent) == 4  # ready() reads one key
        assert not client.is_closed
        assert await storage.load_session("missing") is None
    assert "Authorization" not in client.headers


# --- namespaces -----------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_storage_without_a_namespace_says_so():
    storage = KVSessionStorage()
    for call in (
        lambda: storage.load_session("id"),
        lambda: storage.store_session(offline_session("s")),
        lambda: storage.find_sessions_by_shop("s"),
        lambda: storage.delete_sessions(["id"]),
        storage.ready,
    ):
        with pytest.raises(RuntimeError, match=r"call set_namespace\(\) first"):
            await call()
    assert await storage.is_ready() is False
    with pytest.raises(TypeError, match="must be a str"):
        await storage.load_session(None)


@pytest.mark.asyncio
async def test_namespace_can_be_changed_while_calls_are_under_way(kv_url, raw, shop):
    async with namespace_of(kv_url, kv.NAMESPACES[1]) as other:
        storage = KVSessionStorage(on_error="raise")
        storage.set_namespace(raw)
        await storage.ready()
        before = [online_session(shop, user) for user in range(20)]
        stores = [asyncio.ensure_future(storage.store_session(one)) for one in before]
        for _ in range(5):  # the first one sets out
            await asyncio.sleep(0)
        storage.set_namespace(other)
        assert all(await asyncio.gather(*stores))
        after = online_session(shop, 100)
        await storage.store_session(after)
        found = [
            {one.id for one in await KVSessionStorage(each).find_sessions_by_shop(shop)}
            for each in (raw, other)
        ]
        assert found[0] | found[1] == {one.id for one in (*before, after)}
        assert not found[0] & found[1]
        assert after.id in found[1]
        assert before[0].id in found[0]


class Failing:
    def __init__(self, error: Exception) -> None:
        self.error = error

    async def get(self, key: str) -> str | None:
        raise self.error

    async def put(self, key: str, value: str) -> None: ...

    async def delete(self, key: str) -> None: ...


@pytest.mark.asyncio
async def test_failures_of_a_namespace_of_ones_own_follow_the_policy(caplog):
    for error, shown in (
        (LookupError("shpat_secret"), "load session 'id': KVNamespaceError: LookupError"),
        (ConnectionResetError("reset"), "load session 'id': ConnectionResetError: reset"),
        (KVNamespaceError("full"), "load session 'id': KVNamespaceError: full"),
    ):
        storage = KVSessionStorage(Failing(error), on_error="raise")
        with pytest.raises(SessionStorageUnavailableError) as caught:
            await storage.load_session("id")
        assert str(caught.value) == f"kv_style: could not {shown}"
        assert error in (caught.value.__cause__, caught.value.__cause__.__cause__)
        assert await KVSessionStorage(Failing(error)).load_session("id") is None
        assert shown in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.asyncio
async def test_namespace_that_gives_no_text_is_told_so():
    class Bytes(Failing):
        async def get(self, key: str) -> Any:
            return b"[]"

    with pytest.raises(TypeError, match="str or None, not bytes"):
        await KVSessionStorage(Bytes(OSError())).load_session("id")


def test_binding_of_a_worker_repeats_what_passes_and_tells_what_does_not():
    in_pyodide("""
        from pyodide.code import run_js
        from shopify_session_storage import Session, SessionStorageUnavailableError
        from shopify_session_storage_kv_style import *

        # A binding that fails first, as the real one does for writes within a second.
        failing = run_js('''(binding, errors) => {
            const or = (call) => async (...args) => {
                if (errors.length) { throw new Error(errors.shift()); }
                return call(...args);
            };
            return {
                get: or((key) => binding.get(key)),
                put: or((key, value) => binding.put(key, value)),
                delete: or((key) => binding.delete(key)),
            };
        }''')
        array = run_js("(...texts) => texts")
        too_many = "KV PUT failed: 429 Too Many Requests"
        session = Session(id="a", shop="s", state="", is_online=False, access_token="shpat_secret")
        storage = KVSessionStorage(on_error="raise")
        storage.set_namespace(WorkersKVNamespace(failing(binding, array(too_many, too_many))))
        assert await storage.store_session(session)
        assert session.equals(await storage.load_session("a"))
        assert [one.id for one in await storage.find_sessions_by_shop("s")] == ["a"]
        storage.set_namespace(WorkersKVNamespace(failing(binding, array("KV GET failed: 500"))))
        try:
            await storage.load_session("a")
        except SessionStorageUnavailableError as error:
            assert "KV GET failed: 500" in str(error), error
        else:
            raise AssertionError
        try:
            KVSessionStorage(binding)
        except TypeError as error:
            assert "WorkersKVNamespace(env.MY_KV)" in str(error), error
        else:
            raise AssertionError
    """)


# --- arguments ------------------------------------------------------------------------------------


def test_bad_arguments_are_refused(kv_url):
    for namespace in (7, "namespace", object(), KVSessionStorage):
        with pytest.raises(TypeError, match="must be a KVNamespace"):
            KVSessionStorage(namespace)
    with pytest.raises(ValueError, match="on_error"):
        KVSessionStorage(on_error="ignore")
    with pytest.raises(TypeError, match="positional"):
        KVSessionStorage(None, "raise")
    good = {"account_id": "a", "namespace_id": "n", "api_token": "secret"}
    for name, value, error in (
        ("account_id", "", ValueError),
        ("account_id", None, TypeError),
        ("namespace_id", "", ValueError),
        ("api_token", "", ValueError),
        ("api_token", None, TypeError),
        ("api_token", "secret\n", ValueError),
        ("api_token", "sec ret", ValueError),
        ("api_token", "secrét", ValueError),
        ("base_url", "ftp://host", ValueError),
        ("base_url", "host", ValueError),
        ("base_url", "https://host/?a=b", ValueError),
        ("client", object(), TypeError),
    ):
        with pytest.raises(error, match=name) as caught:
            CloudflareKVNamespace(**{**good, name: value})
        assert "sec" not in str(caught.value)
    with pytest.raises(TypeError, match="binding"):
        WorkersKVNamespace(None)


@pytest.mark.parametrize(
    "rest",
    ["", "account", "account/", "/namespace", "account/namespace/more", "sekret@account/namespace",
     "a:sekret@account/namespace", "account/namespace?token=sekret", "account/namespace#sekret",
     "account/namespace?base_url=sekret"],
)  # fmt: skip
def test_bad_url_is_refused_without_showing_it(kv_url, rest):
    with pytest.raises(ValueError, match=r"cloudflare-kv://|CLOUDFLARE|base_url") as caught:
        open_session_storage(f"cloudflare-kv://{rest}")
    assert "sekret" not in repr(caught.value)


def test_url_needs_the_token_in_the_environment(kv_url, monkeypatch):
    with pytest.raises(TypeError, match="no_such_option"):
        open_session_storage(kv_url, no_such_option=1)
    monkeypatch.delenv("CLOUDFLARE_API_TOKEN")
    with pytest.raises(ValueError, match="CLOUDFLARE_API_TOKEN"):
        open_session_storage(kv_url)


def test_nothing_shows_the_token(kv_url):
    namespace = namespace_of(kv_url)
    storage = KVSessionStorage(namespace)
    assert kv.NAMESPACES[0] in repr(storage)
    for one in (namespace, storage):
        assert kv.TOKEN not in f"{one!r} {one} {vars(one)}"


def test_namespaces_are_equal_if_they_are_the_same(kv_url):
    first, second = namespace_of(kv_url), namespace_of(kv_url)
    assert first == second
    assert hash(first) == hash(second)
    assert first != namespace_of(kv_url, kv.NAMESPACES[1])
    assert isinstance(first, BulkKVNamespace)
    assert not isinstance(Plain(first), BulkKVNamespace)


def test_httpx_is_needed_for_the_api_alone():
    program = """
        import sys
        sys.modules["httpx"] = None
        from shopify_session_storage_kv_style import CloudflareKVNamespace, KVSessionStorage
        KVSessionStorage()
        try:
            CloudflareKVNamespace("account", "namespace", "token")
        except ImportError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True
    )
    assert "pip install 'shopify-session-storage-kv-style[cloudflare]'" in done.stdout, done.stderr
