"""Encryption at rest on the real servers: what is on their disks, and keys rotated under load.

``--whole-battery`` runs the encrypted battery on every server; ``--times 100`` and more compares on
every server, and compares and rotates in great numbers.
"""

import asyncio
import random
import secrets
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pytest
from servers import dynamodb, kv, mongodb, mysql, postgresql, redis
from servers.discovery import PASSWORD, free_port, program
from servers.places import NETWORKED, place
from shopify_session_storage import open_session_storage
from shopify_session_storage.encryption import EncryptedSessionStorage, Keyring, reencrypt
from shopify_session_storage.testing import battery_of_tests
from shopify_session_storage.testing.sessions import offline_session, online_session

OLD, NEW = secrets.token_bytes(32), secrets.token_bytes(32)
OLD_SEALS = Keyring({"old": OLD, "new": NEW})
NEW_SEALS = Keyring({"new": NEW, "old": OLD})

COMPARING = ("sqlite", "postgresql", "mysql", "redis", "mongodb", "dynamodb")  # KV cannot
MANY = 100  # --times from which on all is done


def pytest_generate_tests(metafunc):
    """Give the tests that take long the backends on which they are quick, or all on request."""
    name = metafunc.function.__name__
    if name == test_the_battery_passes_through_the_wrapper.__name__:
        whole = metafunc.config.getoption("--whole-battery")
        metafunc.parametrize("backend", NETWORKED if whole else ["redis"])
    elif name == test_one_writer_wins_each_comparison_during_a_rotation.__name__:
        whole = metafunc.config.getoption("--times") >= MANY
        metafunc.parametrize("backend", COMPARING if whole else ["sqlite", "redis"])


@pytest.fixture
def address(request, tmp_path):
    """Return what makes a storage of the backend that the test names."""

    def of(backend):
        url = "" if backend == "sqlite" else request.getfixturevalue(f"{backend}_url")
        url, options = place(backend, url, tmp_path)
        return lambda ring, **more: EncryptedSessionStorage(
            open_session_storage(url, **(options | more)), ring
        )

    return of


# --- what is on the disk --------------------------------------------------------------------------


SERVERS = {
    # With all that a server may write: logs of statements, of changes, of whole rows.
    "postgresql": lambda place: postgresql.local(
        place, "log_statement=all", "wal_level=logical", "full_page_writes=on"
    ),
    "mysql": lambda place: mysql.local(
        place, "log-bin", "server-id=1", "binlog-format=ROW", "general-log=1"
    ),
    "redis": lambda place: redis.local(place, "--appendonly", "yes"),
    "mongodb": lambda place: mongodb.ferretdb(place),
    "dynamodb": lambda place: dynamodb.serve(place, free_port(), "-dbPath", str(place)),
    "kv": lambda place: kv.local(place),
}


async def work(url, options, marker):
    """Do all that writes: new sessions, newer tokens, moves, comparisons, a rotation, a purge."""
    async with open_session_storage(url, **options) as inner:
        storage = EncryptedSessionStorage(inner, OLD_SEALS)
        for turn in range(3):
            some = [
                offline_session(f"shop-{number}.myshopify.com", scope=marker, state=f"{turn}")
                for number in range(40)
            ]
            await asyncio.gather(*map(storage.store_session, some))
        await storage.compare_and_store(replace(some[0], access_token="shpat_newer"), some[0])
        await storage.compare_and_delete(some[1])
        await storage.store_session(replace(some[2], shop="moved.myshopify.com"))
        await storage.find_sessions_by_shop(some[3].shop)
        report = await reencrypt(EncryptedSessionStorage(inner, NEW_SEALS))
        assert report.sealed >= 39
        assert report.failed == ()
        await storage.purge_expired()


def dump_of(backend, url):
    """Return what the backend's own backup program makes of it."""
    parts = urlsplit(url)
    if backend == "postgresql":
        command = [program("pg_dump"), url.partition("?")[0]]
    elif backend == "mysql":
        dump = program("mariadb-dump") or program("mysqldump")
        login = [f"--port={parts.port}", f"--user={mysql.USER}", f"--password={PASSWORD}"]
        command = [dump, f"--host={parts.hostname}", *login, unquote(parts.path.strip("/"))]
    else:
        return b""
    return subprocess.run(command, check=True, capture_output=True).stdout


@pytest.fixture
def directory():
    """Return a folder that servers can be in that run as another user."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.parametrize("backend", ["sqlite", *SERVERS])
def test_no_token_reaches_a_disk(backend, directory, monkeypatch):
    marker = f"marker_{uuid4().hex}"
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", kv.TOKEN)
    texts = []

    def run(address):
        url, options = place(backend, address, directory)
        asyncio.run(work(url, options, marker))
        texts.append(dump_of(backend, address))
        if backend == "redis":
            with redis.connect(address) as client:
                client.save()
        return url, options

    if backend == "sqlite":
        run("")
    else:
        with SERVERS[backend](directory) as address:
            run(address)
            texts += [file.read_bytes() for file in directory.rglob("*") if file.is_file()]
    texts += [file.read_bytes() for file in directory.rglob("*") if file.is_file()]
    found = [text for text in texts if marker.encode() in text]
    assert found, "what was written is not where this test looks"
    for text in texts:
        assert b"shpat_" not in text
        assert b"shprt_" not in text


# --- the battery ----------------------------------------------------------------------------------

# What is sealed takes more of the 300 kB that a session may have.
DIFFERENCES = {"long_texts_come_back"}


def test_the_battery_passes_through_the_wrapper(backend, address):
    make = address(backend)

    async def failed():
        try:
            with pytest.warns(UserWarning, match="could not run"):
                await battery_of_tests(lambda: make(OLD_SEALS, on_error="log"))
        except ExceptionGroup as group:
            return {note.split(":")[0] for one in group.exceptions for note in one.__notes__[-1:]}
        return set()

    assert asyncio.run(failed()) == {f"case {name}" for name in DIFFERENCES}


# --- rotation -------------------------------------------------------------------------------------


def test_one_writer_wins_each_comparison_during_a_rotation(backend, address, times):
    """Each of four writers, and two that seal anew, has its own storage object."""
    rounds = 20_000 // 4 if times >= MANY else times
    make = address(backend)

    async def run():
        rings = (OLD_SEALS, NEW_SEALS)
        writers = [make(rings[number % 2]) for number in range(4)]
        sealers = [make(ring) for ring in rings]
        current = offline_session("a.myshopify.com", access_token="shpat_0")
        await writers[0].store_session(current)
        over = False
        anew = 0

        async def rotate(storage):
            nonlocal anew
            while not over:
                anew += (await reencrypt(storage)).sealed
                await asyncio.sleep(0.001)

        rotating = [asyncio.ensure_future(rotate(one)) for one in sealers]
        try:
            for number in range(rounds):
                new = [replace(current, access_token=f"shpat_{number}_{n}") for n in range(4)]
                pairs = zip(writers, new, strict=True)
                won = await asyncio.gather(*(w.compare_and_store(n, current) for w, n in pairs))
                assert won.count(True) == 1
                current = new[won.index(True)]
        finally:
            over = True
            await asyncio.gather(*rotating)
        assert (await writers[0].load_session(current.id)).access_token == current.access_token
        for storage in (*writers, *sealers):
            await storage.disconnect()
        return anew

    anew = asyncio.run(run())
    print(f"{backend}: {4 * rounds} comparisons, one winner of each four, {anew} sealed anew")


@pytest.mark.parametrize("backend", ["sqlite", "postgresql", "redis"])
def test_two_readers_live_through_a_rotation(backend, address, times):
    """Plain text at first; then one key, then another one, each in use before it seals."""
    count = 100_000 if times >= MANY else 500
    make = address(backend)

    async def run():
        steps = [Keyring({"old": OLD}), OLD_SEALS, NEW_SEALS, Keyring({"new": NEW})]
        # Of two processes the second one is always a deployment behind. Each deployment is another
        # object: loads that are under way end in the process in which they began, with its keys.
        inner = [make(steps[0]).wrapped, make(steps[0]).wrapped]
        readers = [EncryptedSessionStorage(one, steps[0]) for one in inner]
        sessions = [online_session(f"shop-{number}.myshopify.com", 1) for number in range(count)]
        for first in range(0, count, 500):
            await asyncio.gather(*map(inner[0].store_session, sessions[first : first + 500]))
        over = False
        reads = 0

        async def read(process):
            nonlocal reads
            while not over:
                one = random.choice(sessions)
                assert (await readers[process].load_session(one.id)).equals(one)
                reads += 1

        reading = [asyncio.ensure_future(read(process)) for process in range(2)]
        reports = []
        for step in steps:
            for process in range(2):
                readers[process] = EncryptedSessionStorage(inner[process], step)
                await asyncio.sleep(0.05)
            if step is not steps[1]:
                reports.append(await reencrypt(readers[0]))
            if (failed := next((one for one in reading if one.done()), None)) is not None:
                await failed
        over = True
        await asyncio.gather(*reading)
        for one in inner:
            await one.disconnect()
        return reads, [(one.examined, one.sealed, one.failed) for one in reports]

    reads, reports = asyncio.run(run())
    assert [(examined >= count, failed) for examined, _, failed in reports] == [(True, ())] * 3
    assert [sealed for _, sealed, _ in reports] == [count, count, 0]
    assert reads > 20
    print(f"{backend}: {count} sessions sealed twice, {reads} loads meanwhile without an error")
