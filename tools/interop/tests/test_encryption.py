"""A Python app and a Node app that share encrypted rows."""

import asyncio
import base64
import json
import os
import secrets
import subprocess
from dataclasses import replace

import pytest
from interop.backends import POSTGRESQL, REDIS, SQLITE
from interop.peer import HERE, from_plain, installed_packages, to_plain
from shopify_session_storage.encryption import EncryptedSessionStorage, Keyring
from shopify_session_storage.testing.sessions import offline_session, online_session, unique

pytestmark = pytest.mark.asyncio
OLD, NEW = secrets.token_bytes(32), secrets.token_bytes(32)
RING = Keyring({"new": NEW, "old": OLD})
OLD_RING = Keyring({"old": OLD, "new": NEW})
KEYS = f"new:{base64.b64encode(NEW).decode()},old:{base64.urlsafe_b64encode(OLD).decode()}"
SHOP = "encrypted.myshopify.com"


@pytest.fixture(params=[SQLITE, POSTGRESQL, REDIS], ids=lambda backend: backend.name)
def backend(request):
    return request.param


@pytest.fixture
def node(space, backend):
    def run(*, store=(), load=(), shop=None):
        asked = {
            "backend": backend.name,
            "options": dict(space.javascript),
            "keys": KEYS,
            "store": [to_plain(one) for one in store],
            "load": list(load),
            "shop": shop,
        }
        done = subprocess.run(
            ["node", str(HERE / "encryption_peer.mjs")],
            input=json.dumps(asked), capture_output=True, text=True, timeout=120,
            env={**os.environ, "NODE_PATH": str(installed_packages())},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def sessions(count):
    kinds = (
        lambda number: online_session(SHOP, number),
        lambda number: offline_session(SHOP, id=f"é-{number}", access_token="shpat_ü😀" * number),
        lambda number: offline_session(SHOP, id=f"none-{number}", refresh_token=None),
    )
    return [kinds[number % 3](number) for number in range(1, count + 1)]


async def test_sessions_both_ways(node, python, times):
    storage = EncryptedSessionStorage(python, RING, plaintext="refuse")
    count = 30 if times < 100 else 500
    ours = sessions(count)
    theirs = [replace(one, id=f"node-{one.id}") for one in sessions(count)]
    await asyncio.gather(*map(storage.store_session, ours))
    answer = node(store=theirs, load=[one.id for one in ours], shop=SHOP)
    for one, data in zip(ours, answer["loaded"], strict=True):
        assert from_plain(data).equals(one)
    assert len(answer["found"]) == 2 * count
    for one in theirs:
        assert (await storage.load_session(one.id)).equals(one)
        raw = await python.load_session(one.id)
        assert raw.access_token.startswith("enc1.new.")
    # What Python compares with was sealed by Node.
    newer = replace(theirs[0], access_token="shpat_newer")
    assert await storage.compare_and_store(newer, theirs[0])
    assert not await storage.compare_and_store(newer, theirs[0])


async def test_other_keys_plain_text_and_what_was_moved(node, python):
    plain, old, moved = (offline_session(SHOP, id=unique("id")) for _ in range(3))
    await python.store_session(plain)
    await EncryptedSessionStorage(python, OLD_RING).store_session(old)
    raw = await python.load_session(old.id)
    await python.store_session(replace(raw, id=moved.id))
    answers = node(load=[plain.id, old.id, moved.id])["loaded"]
    assert from_plain(answers[0]).equals(plain)
    assert from_plain(answers[1]).equals(old)
    assert set(answers[2]) == {"error"}
