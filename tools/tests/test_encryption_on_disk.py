"""No token reaches a disk of the real servers: no table, no log, no dump."""

import asyncio
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pytest
from servers import dynamodb, kv, mongodb, mysql, postgresql, redis
from servers.discovery import PASSWORD, free_port, program
from servers.places import place
from shopify_session_storage import open_session_storage
from shopify_session_storage.encryption import EncryptedSessionStorage, reencrypt
from shopify_session_storage.testing.sessions import offline_session

from .encryption_rings import NEW_SEALS, OLD_SEALS

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
