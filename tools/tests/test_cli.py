"""``shopify-sessions`` on real servers: copies that are killed, live sources, silent servers.

``--times 4000`` makes the ring one of 100,000 sessions.
"""

import asyncio
import json
import os
import random
import re
import secrets
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from urllib.parse import urlsplit

import asyncpg
import pytest
import redis.asyncio
from interop.peer import running_peer
from servers.places import behind_proxy, place
from shopify_session_storage import (
    AssociatedUser,
    OnlineAccessInfo,
    Session,
    offline_session_id,
    online_session_id,
    open_session_storage,
)

COMMAND = [sys.executable, "-m", "shopify_session_storage"]
RING = ("postgresql", "mysql", "redis", "mongodb", "dynamodb")
KILLS = 5
TOKEN = re.compile(r"shp(?:at|rt)_[0-9a-f]{8}")
NAMES = ("session_table_name", "session_key_prefix", "session_collection_name")
ENVIRONMENT = {
    **os.environ,
    "AWS_ACCESS_KEY_ID": "tester",
    "AWS_SECRET_ACCESS_KEY": "sekret",
    "NO_COLOR": "1",
}


class Side:
    """A storage, as the command wants it and as the tests do."""

    def __init__(self, backend, url, tmp_path):
        self.url, self.options = place(backend, url, tmp_path)
        if backend == "dynamodb":
            self.url += "&create_table=true"
        self.table = next((self.options[name] for name in NAMES if name in self.options), None)
        self.password = urlsplit(self.url).password if "@" in self.url else None

    def open(self):
        return open_session_storage(self.url, **self.options)

    def words(self, option="--table"):
        return [option, self.table] if self.table else []


def session(number, **changes):
    shop = f"shop-{number:06}.myshopify.com"
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=number % 60)
    fields = {
        "id": offline_session_id(shop),
        "shop": shop,
        "state": "",
        "is_online": False,
        "scope": "read_products,write_orders",
        "access_token": f"shpat_{secrets.token_hex(16)}",
    }
    if number % 10 == 9:
        user = AssociatedUser(number + 1, "Zoë", None, "zoe@x.example", True, False, None, "fr")
        fields |= {
            "id": online_session_id(shop, number + 1),
            "is_online": True,
            "expires": soon,
            "online_access_info": OnlineAccessInfo(user),
        }
    elif number % 7:
        fields |= {
            "expires": soon,
            "refresh_token": f"shprt_{secrets.token_hex(16)}",
            "refresh_token_expires": soon + timedelta(days=number % 90),
        }
    return Session(**(fields | changes))


async def fill(side, numbers):
    async with side.open() as storage:
        for first in range(0, len(numbers), 2000):
            await asyncio.gather(
                *(storage.store_session(session(n)) for n in numbers[first : first + 2000])
            )


def rows(url):
    with sqlite3.connect(url.removeprefix("sqlite:///").partition("?")[0]) as connection:
        return connection.execute("SELECT * FROM shopify_sessions ORDER BY id").fetchall()


def start(*words, cwd, env=ENVIRONMENT):
    return subprocess.Popen(
        [*COMMAND, *words], cwd=cwd, env=env, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


class Told(list):
    """All that commands have said and written, to be searched for secrets."""

    def run(self, *words, cwd, code=0, env=ENVIRONMENT, timeout=600):
        process = start(*words, cwd=cwd, env=env)
        out, err = process.communicate(timeout=timeout)
        self += [out, err]
        assert process.returncode == code, out + err
        return out, err

    def check(self, directory, *sides):
        texts = [*self, *(path.read_text() for path in directory.glob("*.json"))]
        secret = [side.password for side in sides if side.password]
        assert [text for text in texts if TOKEN.search(text)] == []
        assert [text for text in texts if any(one in text for one in secret)] == []


def progress(path):
    """Return how many sessions a state file says are done."""
    try:
        state = json.loads(path.read_text())
    except (OSError, ValueError):
        return 0
    counts = state["copying"], state["checking"]
    return sum(c[k] for c in counts for k in ("copied", "replaced", "kept", "same"))


def killed(words, cwd, state, least, signal_number):
    """Run a copy until it has done so many, and kill it. Tell whether it was alive till then."""
    process = start(*words, cwd=cwd)
    while process.poll() is None and progress(state) < least:
        time.sleep(0.01)
    process.send_signal(signal_number)
    out, err = process.communicate(timeout=60)
    return process.returncode, out + err


def test_a_ring_of_copies_that_are_killed(request, tmp_path, times):
    number = 25 * times
    sides = [Side("sqlite", "", tmp_path)]
    sides += [Side(name, request.getfixturevalue(f"{name}_url"), tmp_path) for name in RING]
    sides.append(Side("sqlite", "", tmp_path))
    told, figures = Told(), {}
    asyncio.run(fill(sides[0], range(number)))
    for hop, (old, new) in enumerate(pairwise(sides)):
        kills = KILLS if times >= 100 else (hop + 1) % 2  # every other one, to be quick
        state = tmp_path / "state.json"
        words = [
            "copy", old.url, new.url, "--resume", str(state), "-v",
            *old.words("--from-table"), *new.words("--to-table"),
        ]  # fmt: skip
        done, began = 0, time.monotonic()
        for _ in range(kills):
            least = progress(state) + random.randint(1, max(1, number // kills))
            code, text = killed(words, tmp_path, state, least, signal.SIGKILL)
            told.append(text)
            done += code == -signal.SIGKILL
            assert code in (-signal.SIGKILL, 0), text
            told.append(state.read_text() if state.exists() else "")
        out, _ = told.run(*words, "--json", cwd=tmp_path, timeout=600 + number // 10)
        result = json.loads(out)
        figures[new.url.partition(":")[0]] = (done, round(time.monotonic() - began, 1))
        assert result["verified"] >= number
        assert result["failed"] == result["corrupt"] == result["kept"] == 0
        assert not state.exists()
    print(f"{number} sessions, (kills, seconds) of each: {figures}")
    assert sum(kills for kills, _ in figures.values()) > 0
    first, last = rows(sides[0].url), rows(sides[-1].url)
    assert len(first) == number
    assert first == last
    told.check(tmp_path, *sides)


async def query(url, statement):
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def test_two_copies_into_one_target(request, tmp_path):
    old = Side("sqlite", "", tmp_path)
    new = Side("postgresql", request.getfixturevalue("postgresql_url"), tmp_path)
    asyncio.run(fill(old, range(1500)))
    told, words = Told(), ["copy", old.url, new.url, *new.words("--to-table")]
    first = start(*words, "--resume", str(tmp_path / "first"), cwd=tmp_path)
    while first.poll() is None and not (tmp_path / "first").exists():
        time.sleep(0.01)
    first.send_signal(signal.SIGSTOP)  # it holds the lease, and does not go on meanwhile
    try:
        _, err = told.run(*words, "--resume", str(tmp_path / "second"), cwd=tmp_path, code=4)
    finally:
        first.send_signal(signal.SIGCONT)
    assert "another command is copying" in err
    out, err = first.communicate(timeout=120)
    assert first.returncode == 0, err
    assert "verified          1,500" in out
    told.run(*words, cwd=tmp_path)
    told.check(tmp_path, old, new)


def test_a_server_that_goes_away_is_waited_for_a_moment_and_the_copy_goes_on_later(
    request, tmp_path
):
    old = Side("sqlite", "", tmp_path)
    url = request.getfixturevalue("redis_url")
    asyncio.run(fill(old, range(1500)))
    told, state = Told(), tmp_path / "state.json"

    async def copy_and_cut():
        async with behind_proxy(url) as (behind, proxy):
            new = Side("redis", behind, tmp_path)
            words = ["copy", old.url, new.url, "-v", "--resume", str(state)]
            words += new.words("--to-table")
            process = start(*words, cwd=tmp_path)
            while process.poll() is None and not progress(state):
                await asyncio.sleep(0.01)
            proxy.refuse()
            out, err = await asyncio.to_thread(process.communicate, timeout=120)
            told.extend((out, err))
            assert process.returncode in (0, 3), err
            assert process.returncode == 0 or "to go on from there" in err
            told.append(state.read_text() if state.exists() else "")
            await proxy.listen()
            out, _ = await asyncio.to_thread(told.run, *words, "--json", cwd=tmp_path)
            assert json.loads(out)["verified"] >= 1500

    asyncio.run(copy_and_cut())
    told.check(tmp_path, old)


@contextmanager
def ours(side):
    yield side.open()


@contextmanager
def official(side):
    with running_peer() as peer:
        options = {"url": side.url.partition("?")[0], "table": side.table}
        yield peer.open("postgresql", options)


@pytest.mark.parametrize("writer", [ours, official])
def test_a_source_that_is_written_to_meanwhile_loses_nothing(writer, request, tmp_path):
    old = Side("postgresql", request.getfixturevalue("postgresql_url"), tmp_path)
    new = Side("sqlite", "", tmp_path)
    asyncio.run(fill(old, range(1500)))
    told = Told()
    words = ["copy", old.url, new.url, *old.words("--from-table"), "--json"]

    async def copy_and_write(opened):
        async with opened as storage:
            process = start(*words, cwd=tmp_path)
            number = 2000
            while process.poll() is None:
                number += 1
                again = session(random.randrange(1500))
                await asyncio.gather(*map(storage.store_session, (session(number), again)))
        told.extend(process.communicate())
        assert process.returncode == 0, told
        out, _ = await asyncio.to_thread(told.run, *words, "--on-conflict=overwrite", cwd=tmp_path)
        assert json.loads(out)["verified"] == 1500 + number - 2000
        async with old.open() as source, new.open() as target:
            async for page in source.scan_sessions():
                ids = [one.id for one in page.sessions]
                copies = await asyncio.gather(*map(target.load_session, ids))
                assert [one.access_token for one in copies] == [
                    one.access_token for one in page.sessions
                ]

    with writer(old) as opened:
        asyncio.run(copy_and_write(opened))
    told.check(tmp_path, old, new)


def findings(told, side, tmp_path, code=0):
    out, _ = told.run("doctor", side.url, *side.words(), "--json", cwd=tmp_path, code=code)
    return {one["check"]: one for one in json.loads(out)["findings"]}


@pytest.mark.parametrize("backend", RING)
def test_doctor_finds_nothing_in_a_healthy_storage(backend, request, tmp_path):
    side, told = Side(backend, request.getfixturevalue(f"{backend}_url"), tmp_path), Told()
    asyncio.run(fill(side, [number for number in range(40, 60) if number % 7]))
    found = findings(told, side, tmp_path)
    assert [one for one in found.values() if one["level"] != "ok"] == []
    told.check(tmp_path, side)


def test_doctor_finds_an_index_that_is_gone(request, tmp_path):
    side, told = Side("postgresql", request.getfixturevalue("postgresql_url"), tmp_path), Told()
    asyncio.run(fill(side, [41]))
    asyncio.run(query(side.url, f"DROP INDEX {side.table}_shop_index"))
    assert findings(told, side, tmp_path)["index"]["level"] == "warn"
    assert findings(told, side, tmp_path)["index"]["level"] == "warn"  # it has changed nothing
    told.run("migrate", side.url, *side.words(), cwd=tmp_path)
    assert "index" not in findings(told, side, tmp_path)
    told.check(tmp_path, side)


def test_doctor_finds_a_session_that_is_missing_in_the_list_of_its_shop(request, tmp_path):
    url = request.getfixturevalue("redis_url")
    side, told = Side("redis", url, tmp_path), Told()
    asyncio.run(fill(side, [41]))

    async def forget():
        async with redis.asyncio.Redis.from_url(url) as client:
            await client.set(f"{side.table}_{session(41).shop}", "[]")

    asyncio.run(forget())
    found = findings(told, side, tmp_path)
    assert found["lists"]["level"] == "warn"
    assert session(41).id in found["lists"]["message"]
    told.check(tmp_path, side)
