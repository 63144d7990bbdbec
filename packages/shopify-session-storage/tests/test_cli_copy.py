"""``copy``: nothing newer is overwritten, nothing is lost, and it goes on where it was."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from shopify_session_storage import SessionStorageUnavailableError, open_session_storage
from shopify_session_storage.cli.copying import patience
from shopify_session_storage.cli.copying.counts import Counts
from shopify_session_storage.cli.copying.pages import PageCopier
from shopify_session_storage.cli.copying.rules import OnConflict
from shopify_session_storage.pages import SessionPage
from shopify_session_storage_sqlite import SQLiteSessionStorage

from .cli_runs import NOW, Run, copy, load, offline, online, sql, store, url_of


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def old(tmp_path):
    return tmp_path / "old.db"


@pytest.fixture
def new(tmp_path):
    return tmp_path / "new.db"


def state_files(tmp_path):
    return list(tmp_path.glob("*.json"))


def test_all_is_copied_and_verified(tmp_path, old, new, capsys):
    sessions = [offline(f"shop-{n}") for n in range(1203)] + [online("shop-1", n) for n in range(9)]
    store(old, *sessions)
    run = copy(capsys, old, new, "--json")
    assert run.code == 0
    assert (run.json["copied"], run.json["verified"], run.json["failed"]) == (1212, 1212, 0)
    query = "SELECT * FROM shopify_sessions ORDER BY id"
    assert sql(old, query) == sql(new, query)
    assert state_files(tmp_path) == []
    again = copy(capsys, old, new, "--json")
    assert (again.code, again.json["copied"], again.json["same"]) == (0, 0, 1212)


@pytest.mark.parametrize("on_conflict", list(OnConflict))
@pytest.mark.parametrize("is_newer", [True, False])
def test_conflicts_end_by_the_rule(on_conflict, is_newer, old, new, capsys):
    later = timedelta(days=1) if is_newer else timedelta(days=-1)
    source = offline(access_token="shpat_" + "a" * 32)
    source.refresh_token_expires += later
    store(old, source, offline("beta"))
    store(new, offline())
    run = copy(capsys, old, new, "--on-conflict", on_conflict, "--json")
    replaced = on_conflict == "overwrite" or (on_conflict == "newer" and is_newer)
    assert run.code == 0
    assert (run.json["replaced"], run.json["kept"]) == (int(replaced), int(not replaced))
    expected = source if replaced else offline()
    assert load(new, source.id).access_token == expected.access_token
    assert run.json["verified"] == 2


def test_a_token_that_never_expires_does_not_replace_one_that_does(old, new, capsys):
    store(old, offline(expires=None, refresh_token=None, refresh_token_expires=None))
    store(new, offline())
    assert copy(capsys, old, new, "--json").json["kept"] == 1
    assert copy(capsys, new, old, "--json").json["replaced"] == 1


def test_what_cannot_be_read_is_named_and_the_rest_copied(old, new, capsys):
    store(old, offline(), offline("beta"))
    sql(old, "UPDATE shopify_sessions SET state = X'ff' WHERE shop LIKE 'beta%'")
    run = copy(capsys, old, new)
    assert run.code == 1
    assert "unreadable            1  offline_beta.myshopify.com" in run.out
    assert "verified              1" in run.out
    assert load(new, offline().id) is not None


def test_no_id_commands_the_terminal(old, new, capsys):
    store(old, offline(), offline("beta"))
    sql(old, "UPDATE shopify_sessions SET id = 'beta' || char(27) || '[2J' || char(10, 0)"
             " WHERE shop LIKE 'beta%'")  # fmt: skip
    run = copy(capsys, old, new)
    assert run.code == 1
    assert "beta\\x1b[2J\\n\\x00" in run.out
    assert not any(one in run.out + run.err for one in "\x1b\0")


def test_what_the_target_cannot_read_is_left_as_it_is(old, new, capsys):
    store(old, offline(), offline("beta"))
    store(new, offline("beta"))
    sql(new, "UPDATE shopify_sessions SET state = X'ff'")
    run = copy(capsys, old, new, "--json")
    assert run.code == 1
    assert list(run.json["failed_ids"]) == [offline("beta").id]
    assert run.json["copied"] == 1


def test_a_dry_run_writes_nothing(tmp_path, old, new, capsys):
    store(old, offline(), offline("beta"))
    run = copy(capsys, old, new, "--dry-run", "--json")
    assert (run.code, run.json["copied"], run.json["dry_run"]) == (0, 2, True)
    assert not new.exists()
    store(new, offline())
    run = copy(capsys, old, new, "--dry-run")
    assert "to copy               1" in run.out
    assert load(new, offline("beta").id) is None
    assert state_files(tmp_path) == []


def test_a_copy_into_itself_is_refused(old, capsys):
    store(old, offline())
    assert copy(capsys, old, old).code == 2
    assert Run(capsys, "copy", url_of(old), "sqlite:///old.db?timeout=3").code == 2


def test_a_source_that_does_not_exist_is_not_made(tmp_path, new, capsys):
    assert copy(capsys, tmp_path / "no.db", new).code == 3
    assert list(tmp_path.iterdir()) == []


def test_another_layout_is_refused_before_anything_is_written(old, new, capsys):
    store(old, offline())
    sql(new, "CREATE TABLE shopify_sessions (id TEXT PRIMARY KEY, expires DATETIME)")
    run = copy(capsys, old, new)
    assert run.code == 4
    assert "layout" in run.err


def test_a_table_of_prisma_is_a_target_and_a_source(old, new, tmp_path, capsys):
    store(old, offline(access_token=None, refresh_token=None), offline("beta"), online())
    sql(
        new,
        "CREATE TABLE Session (id TEXT NOT NULL PRIMARY KEY, shop TEXT NOT NULL, state TEXT NOT"
        " NULL, isOnline BOOLEAN NOT NULL DEFAULT false, scope TEXT, expires DATETIME, accessToken"
        " TEXT NOT NULL, userId BIGINT, firstName TEXT, lastName TEXT, email TEXT, accountOwner"
        " BOOLEAN NOT NULL DEFAULT false, locale TEXT, collaborator BOOLEAN DEFAULT false,"
        " emailVerified BOOLEAN DEFAULT false, refreshToken TEXT, refreshTokenExpires DATETIME)",
    )
    before = sql(new, "SELECT sql FROM sqlite_master")
    prisma = f"{url_of(new)}?layout=prisma"
    run = Run(capsys, "copy", url_of(old), prisma, "--json")
    assert (run.code, run.json["copied"], run.json["verified"]) == (0, 3, 3)
    assert "keeps no leases" in run.err
    third = tmp_path / "third.db"
    assert Run(capsys, "copy", prisma, url_of(third)).code == 0
    assert load(third, offline("beta").id) == load(old, offline("beta").id)
    run = Run(capsys, "doctor", prisma, "--json")
    assert run.code == 0
    found = {one["check"]: one for one in run.json["findings"]}
    assert "add it to the schema" in found["leases"]["remedy"]
    assert sql(new, "SELECT sql FROM sqlite_master") == before
    # Within one file, too.
    assert Run(capsys, "copy", prisma, url_of(new)).code == 0


def half_done(capsys, monkeypatch, old, new, error, *words):
    """Copy, and have the second page fail."""
    once = PageCopier.copy

    async def failing(self, page, counts):
        if counts.seen:
            raise error
        return await once(self, page, counts)

    with monkeypatch.context() as patch:
        patch.setattr(PageCopier, "copy", failing)
        return copy(capsys, old, new, *words)


def test_an_interrupted_copy_goes_on(tmp_path, old, new, capsys, monkeypatch):
    store(old, *(offline(f"shop-{n}") for n in range(700)))
    run = half_done(capsys, monkeypatch, old, new, KeyboardInterrupt())
    assert run.code == 130
    assert "500 sessions are done; run the same command to go on from there" in run.err
    assert "Traceback" not in run.err
    (state,) = state_files(tmp_path)
    assert state.stat().st_mode & 0o077 == 0
    run = copy(capsys, old, new)
    assert run.code == 0
    assert "going on after 500 sessions" in run.err
    assert "copied              700" in run.out
    assert state_files(tmp_path) == []


def test_the_state_is_where_one_wants_it(tmp_path, old, new, capsys, monkeypatch):
    store(old, *(offline(f"shop-{n}") for n in range(700)))
    file = tmp_path / "mine.state"
    half_done(capsys, monkeypatch, old, new, KeyboardInterrupt(), "--resume", file)
    assert json.loads(file.read_text())["copying"]["copied"] == 500
    assert copy(capsys, old, new, "--resume", file, "--json").json["copied"] == 700
    assert not file.exists()


def test_the_state_of_another_copy_is_refused(tmp_path, old, new, capsys, monkeypatch):
    store(old, *(offline(f"shop-{n}") for n in range(700)))
    file = tmp_path / "mine.state"
    half_done(capsys, monkeypatch, old, new, KeyboardInterrupt(), "--resume", file)
    other = copy(capsys, old, tmp_path / "third.db", "--resume", file)
    assert (other.code, "between other storages" in other.err) == (2, True)
    file.write_text("{}")
    assert copy(capsys, old, new, "--resume", file).code == 2
    file.write_text("\x00" * 50)
    assert copy(capsys, old, new, "--resume", file).code == 2


def test_a_state_file_that_cannot_be_written_is_told(tmp_path, old, new, capsys):
    store(old, offline())
    run = copy(capsys, old, new, "--resume", tmp_path / "no" / "such" / "place")
    assert run.code == 2
    assert "--resume" in run.err
    # It has given up the lease that it took, so it need not be waited for.
    assert copy(capsys, old, new, "--resume", tmp_path / "here").code == 0


def test_a_live_writer_of_the_target_wins(old, new):
    """What appears in the target after it was looked at is newer, and stays."""
    store(old, offline())
    newer = offline(
        refresh_token_expires=NOW + timedelta(days=89), access_token="shpat_" + "b" * 32
    )

    async def race():
        async with open_session_storage(url_of(new), on_error="raise") as storage:
            load_session = storage.load_session

            async def late(id):
                found = await load_session(id)
                await storage.store_session(newer)
                return found

            storage.load_session = late
            counts = Counts()
            copier = PageCopier(storage, OnConflict.NEWER, live=True)
            await copier.copy(SessionPage([offline()]), counts)
            return counts

    counts = asyncio.run(race())
    assert (counts.copied, counts.kept) == (0, 1)
    assert load(new, newer.id).access_token == newer.access_token


def test_a_source_that_changes_meanwhile_is_caught_up(old, new, capsys, monkeypatch):
    sessions = [offline(f"shop-{n}") for n in range(600)]
    store(old, *sessions)
    newer = replace(
        sessions[0],
        access_token="shpat_" + "c" * 32,
        refresh_token_expires=NOW + timedelta(days=89),
    )
    once = PageCopier.copy
    is_done = []

    async def copy_and_change(self, page, counts):
        result = await once(self, page, counts)
        if not is_done:
            is_done.append(True)
            async with open_session_storage(url_of(old), on_error="raise") as storage:
                await storage.store_session(newer)
                await storage.store_session(offline("a-new-one"))
        return result

    monkeypatch.setattr(PageCopier, "copy", copy_and_change)
    run = copy(capsys, old, new, "--json")
    assert run.code == 0
    assert run.json["caught_up"] == 2
    assert run.json["verified"] == 601
    assert load(new, newer.id).access_token == newer.access_token


def test_a_source_that_is_slow_for_a_while_is_read_in_smaller_pages(old, new, capsys, monkeypatch):
    store(old, *(offline(f"shop-{n}") for n in range(700)))
    scan, sizes = SQLiteSessionStorage._scan, []

    async def slow(self, after, batch):
        sizes.append(batch)
        if after is not None and batch > 100:
            raise SessionStorageUnavailableError("no answer within 10 s")
        return await scan(self, after, batch)

    monkeypatch.setattr(SQLiteSessionStorage, "_scan", slow)
    monkeypatch.setattr(patience, "_PAUSE_SECONDS", 0)
    run = copy(capsys, old, new, "--json")
    assert (run.code, run.json["copied"], run.json["verified"]) == (0, 700, 700)
    assert sizes[1:6] == [500, 500, 125, 31, 31]  # the first is a look at the target


def test_a_source_that_is_away_ends_the_copy(old, new, capsys, monkeypatch):
    store(old, *(offline(f"shop-{n}") for n in range(700)))
    scan = SQLiteSessionStorage._scan

    async def away(self, after, batch):
        if after is not None:
            raise SessionStorageUnavailableError("no answer within 10 s")
        return await scan(self, after, batch)

    with monkeypatch.context() as patch:
        patch.setattr(SQLiteSessionStorage, "_scan", away)
        patch.setattr(patience, "_PAUSE_SECONDS", 0)
        run = copy(capsys, old, new)
    assert run.code == 3
    assert "500 sessions are done; run the same command to go on from there" in run.err
    assert copy(capsys, old, new, "--json").json["verified"] == 700


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_at_any_moment_leaves_what_goes_on(number, code, tmp_path, old, new, capsys):
    store(old, *(offline(f"shop-{n}") for n in range(1500)))
    words = [sys.executable, "-m", "shopify_session_storage", "copy", url_of(old), url_of(new)]
    process = subprocess.Popen(words, cwd=tmp_path, stdout=-1, stderr=-1, text=True)
    while process.poll() is None and not state_files(tmp_path):
        time.sleep(0.005)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (code, 0), err
    assert "Traceback" not in err
    assert process.returncode == 0 or "to go on from there" in err
    run = copy(capsys, old, new, "--json")
    assert run.code == 0
    assert run.json["verified"] == 1500
