"""What another program has stored by its own rules ends no work on all the others."""

import sqlite3
from contextlib import closing

import pytest
import pytest_asyncio
from shopify_session_storage.access_tokens import AccessTokenStore
from shopify_session_storage.encryption import EncryptedSessionStorage, Keyring, reencrypt
from shopify_session_storage_sqlite import SQLiteSessionStorage

SHOP = "alpha.myshopify.com"
OURS = {f"{SHOP}_7", f"offline_{SHOP}"}
THEIRS = {SHOP}  # an id that no storage of ours takes
ROW = "INSERT INTO shopify_sessions (id, shop, state, isOnline, accessToken, expires)"


def add(path, *ids):
    with closing(sqlite3.connect(path)) as connection, connection:
        rows = [(id, SHOP, "", 1, "shpat_1", 1_700_000_000) for id in ids]
        connection.executemany(f"{ROW} VALUES (?, ?, ?, ?, ?, ?)", rows)


def tokens(path):
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("SELECT id, accessToken FROM shopify_sessions"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sessions.db"


@pytest_asyncio.fixture
async def storage(path):
    async with SQLiteSessionStorage(path, on_error="raise") as storage:
        add(path, *OURS, *THEIRS)
        yield storage


@pytest.mark.asyncio
async def test_a_purge_leaves_it_and_says_so(storage, path, caplog):
    counted = await storage.purge_expired(dry_run=True)
    assert await storage.purge_expired() == counted
    assert (counted.examined, counted.deleted) == (3, 2)
    assert tokens(path).keys() == THEIRS
    assert "own shop" in caplog.text


@pytest.mark.asyncio
async def test_a_rotation_leaves_it_and_names_it(storage, path):
    report = await reencrypt(EncryptedSessionStorage(storage, Keyring({"k": b"k" * 32})))
    assert (report.sealed, set(report.failed)) == (2, THEIRS)
    assert {id for id, token in tokens(path).items() if token.startswith("enc1.k.")} == OURS


@pytest.mark.asyncio
async def test_an_uninstall_leaves_no_token_of_the_shop(storage, path):
    await AccessTokenStore(storage).delete_shop(SHOP)
    assert tokens(path) == {}
