"""Paths and URLs: what they say is honoured, or refused by name."""

from datetime import timedelta
from pathlib import Path

import pytest
from shopify_session_storage import (
    RdbmsSessionStorageMigratorOptions,
    SessionStorageError,
    SessionStorageUnavailableError,
    open_session_storage,
)
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_sqlite import SQLiteSessionStorage, open_url

SESSION = offline_session("alpha.myshopify.com")


async def file_of(url):
    """Store a session, and return the files that there are then."""
    async with open_session_storage(url, on_error="raise") as storage:
        await storage.store_session(SESSION)
        assert SESSION.equals(await storage.load_session(SESSION.id))
    return {path.name for path in Path.cwd().iterdir()}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("rest", "files"),
    [
        ("/app.db", {"app.db"}),
        ("/with%20space.db", {"with space.db"}),
        ("/what%3F.db", {"what?.db"}),
        ("/app.db?", {"app.db"}),
        ("/app.db?check_same_thread=False", {"app.db"}),
        ("/app.db?mode=rwc&cache=private&uri=true", {"app.db"}),
        ("/file:app.db?mode=rwc&uri=true", {"app.db"}),
        ("/./app.db?connection_limit=1&socket_timeout=5&pool_timeout=0", {"app.db"}),
        ("/app.db?timeout=30&isolation_level=IMMEDIATE&cached_statements=0&detect_types=3",
         {"app.db"}),
        ("", set()),
        ("/", set()),
        ("/:memory:", set()),
        ("/file::memory:?uri=true", set()),
        ("/file:name?mode=memory&uri=true", set()),
        ("/?mode=memory", set()),
    ],
)  # fmt: skip
@pytest.mark.parametrize("scheme", ["sqlite", "sqlite+aiosqlite", "SQLite"])
async def test_url_names_its_file(tmp_path, monkeypatch, scheme, rest, files):
    monkeypatch.chdir(tmp_path)
    assert await file_of(f"{scheme}://{rest}") == files


@pytest.mark.asyncio
async def test_url_of_an_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert await file_of(f"sqlite:///{tmp_path}/app.db?cache=private") == {"app.db"}


@pytest.mark.parametrize(
    ("rest", "match"),
    [
        ("app.db", "no host"),
        ("user:sekret@host/app.db", "no host"),
        ("/app.db?mode=ro", "mode=ro; sessions need"),
        ("/app.db?mode=sekret", "mode="),
        ("/app.db?cache=shared", "cache=shared; only private"),
        ("/app.db?immutable=1", "'immutable', which is not known; known are: cache, "),
        ("/app.db?nolock=1", "'nolock', which is not known"),
        ("/app.db?Mode=rw", "'Mode', which is not known"),
        ("/app.db?_pragma=journal_mode(wal)", "'_pragma', which is not known"),
        ("/app.db?vfs=unix", "'vfs', which is not known"),
        ("/app.db?timeout=soon", "'timeout' of the SQLite URL must be"),
        ("/app.db?timeout=0", "timeout of the SQLite URL must be positive"),
        ("/app.db?timeout=-1", "timeout"),
        ("/app.db?mode", "malformed"),
        ("/app.db?a=%ff", "malformed"),
    ],
)  # fmt: skip
def test_what_a_url_cannot_have_is_refused_by_name(tmp_path, monkeypatch, rest, match):
    monkeypatch.chdir(tmp_path)
    for make in (open_session_storage, open_url):
        with pytest.raises(ValueError, match=match) as caught:
            make(f"sqlite://{rest}")
        assert "sekret@" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.asyncio
async def test_mode_rw_creates_no_file(tmp_path):
    path = tmp_path / "what%3F #1.db"
    quoted = str(path).replace("%", "%25").replace("#", "%23")
    storage = open_session_storage(f"sqlite:///{quoted}?mode=rw", on_error="raise")
    with pytest.raises(SessionStorageUnavailableError, match="unable to open database file"):
        await storage.store_session(SESSION)
    assert not path.exists()
    async with SQLiteSessionStorage(path, on_error="raise") as other:
        await other.store_session(SESSION)
    assert SESSION.equals(await storage.load_session(SESSION.id))
    await storage.disconnect()


def test_timeout_of_a_url_is_that_of_the_calls():
    assert open_url("sqlite:///a.db?timeout=2.5")._timeout == timedelta(seconds=2.5)
    assert open_url("sqlite:///a.db?socket_timeout=3")._timeout == timedelta(seconds=3)
    assert open_url("sqlite:///a.db")._timeout == timedelta(seconds=10)
    option = timedelta(seconds=1)
    assert open_url("sqlite:///a.db?timeout=2.5", timeout=option)._timeout == option


@pytest.mark.asyncio
async def test_path_may_have_a_question_mark_but_is_no_url(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with SQLiteSessionStorage("app.db?mode=ro", on_error="raise") as storage:
        await storage.store_session(SESSION)
    assert (tmp_path / "app.db?mode=ro").exists()
    for url in ("sqlite:///app.db", "sqlite://", "file:app.db", "file:./dev.db?connection_limit=1"):
        with pytest.raises(ValueError, match="open_session_storage"):
            SQLiteSessionStorage(url)


@pytest.mark.parametrize("name", ['quo"te', "quo'te", "`", "", "nul\0", "line\n", "x" * 256])
def test_unusable_table_names_are_refused(name):
    with pytest.raises(ValueError, match="session_table_name"):
        SQLiteSessionStorage(":memory:", session_table_name=name)
    with pytest.raises(ValueError, match="migration_db_identifier"):
        SQLiteSessionStorage(
            ":memory:",
            migrator_options=RdbmsSessionStorageMigratorOptions(migration_db_identifier=name),
        )


@pytest.mark.asyncio
async def test_table_name_that_sqlite_refuses_is_an_error_with_its_cause(tmp_path):
    storage = SQLiteSessionStorage(tmp_path / "s.db", session_table_name="sqlite_sessions")
    with pytest.raises(SessionStorageError, match="reserved for internal use"):
        await storage.ready()


@pytest.mark.parametrize(
    ("database", "error"),
    [("", ValueError), ("nul\0", ValueError), (None, TypeError), (1, TypeError), (b"x", TypeError)],
)
def test_unusable_paths_are_refused(database, error):
    with pytest.raises(error):
        SQLiteSessionStorage(database)


def test_sessions_and_migrations_cannot_share_a_table():
    with pytest.raises(ValueError, match="one table"):
        SQLiteSessionStorage(":memory:", session_table_name="shopify_sessions_migrations")
