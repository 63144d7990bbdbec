"""``doctor`` on planted faults: each is found, named, and has a remedy."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from shopify_session_storage import CorruptSessionError
from shopify_session_storage.cli.examining.census import DEADLINE, Census
from shopify_session_storage.cli.examining.sql import clock_finding
from shopify_session_storage.pages import SessionPage
from shopify_session_storage_memory import MemorySessionStorage

from .cli_runs import ACCESS, NOW, REFRESH, Run, offline, online, sql, store, url_of

TABLE = "shopify_sessions"


def stored(*sessions):
    return lambda path: store(path, *sessions)


def altered(*statements):
    def plant(path):
        store(path, offline())
        sql(path, *statements)

    return plant


def of_prisma(path):
    sql(
        path,
        f"CREATE TABLE {TABLE} (id TEXT PRIMARY KEY, shop TEXT, state TEXT, isOnline BOOLEAN,"
        " scope TEXT, expires DATETIME, accessToken TEXT)",
    )


def of_another_program(path):
    sql(path, "CREATE TABLE something_else (id TEXT)")


def without_a_key(path):
    store(path, offline())
    sql(
        path,
        f"CREATE TABLE copy AS SELECT * FROM {TABLE}",
        f"DROP TABLE {TABLE}",
        f"ALTER TABLE copy RENAME TO {TABLE}",
    )


def of_an_old_adapter(path):
    sql(
        path,
        f"CREATE TABLE {TABLE} (id varchar(255) NOT NULL PRIMARY KEY, shop varchar(255) NOT NULL,"
        " state varchar(255) NOT NULL, isOnline integer NOT NULL, expires integer,"
        " scope varchar(255), accessToken varchar(255), onlineAccessInfo varchar(255))",
    )


SEALED, SEALED_LATER = "enc1.2025." + "A" * 60, "enc1.2026." + "A" * 60
AGO = NOW - timedelta(days=9)
FAULTS = {
    # name: how it is planted, the check that finds it, its level, and a word of the message
    "a token that never expires": (
        stored(offline(expires=None, refresh_token=None, refresh_token_expires=None)),
        "deadline", "warn", "2027-01-01"),
    "a refresh token that dies soon": (
        stored(offline(refresh_token_expires=NOW + timedelta(days=13))),
        "refresh soon", "warn", "14 days"),
    "a refresh token that has died": (
        stored(offline(expires=AGO, refresh_token_expires=AGO)),
        "refresh lost", "warn", "merchant"),
    "no refresh token": (
        stored(offline(refresh_token=None, refresh_token_expires=None)),
        "not refreshable", "warn", "without a refresh token"),
    "a refresh token without an end": (
        stored(offline(refresh_token_expires=None)), "refresh unknown", "warn", "not stored"),
    "an install that was never finished": (
        stored(offline(access_token=None, refresh_token=None)),
        "no token", "warn", "without an access token"),
    "old online sessions": (
        stored(online(expires=NOW - timedelta(days=8))), "expired online", "warn", "week"),
    "an id of another shop": (
        stored(offline(id="offline_beta.myshopify.com")), "ids", "warn", "no app finds"),
    "a shop as a merchant types it": (
        stored(offline("Alpha", id="offline_Alpha.myshopify.com")), "shops", "warn", "lower case"),
    "a date in another unit": (
        stored(offline(expires=datetime(1970, 1, 21, tzinfo=UTC))), "dates", "fail", "unit"),
    "tokens under two keys": (
        stored(offline(access_token=SEALED), offline("beta", access_token=SEALED_LATER)),
        "encryption", "warn", "plain text"),
    "a row that is no session": (
        altered(f"UPDATE {TABLE} SET state = X'ff'"), "corrupt", "fail", "cannot be read"),
    "no index": (
        altered(f"DROP INDEX {TABLE}_shop_index"), "index", "warn", "reads the whole table"),
    "no table of leases": (
        altered(f"DROP TABLE {TABLE}_leases"), "leases", "warn", "no table of leases"),
    "migrations that are not recorded": (
        altered(f"DELETE FROM {TABLE}_migrations"), "record", "warn", "not recorded"),
    "a table of Prisma": (of_prisma, "layout", "fail", "another layout"),
    "no table": (of_another_program, "table", "fail", "no table of sessions"),
    "an old table": (of_an_old_adapter, "columns", "fail", "refreshToken"),
    "no primary key": (without_a_key, "layout", "fail", "key"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault, tmp_path, capsys):
    plant, check, level, word = FAULTS[fault]
    path = tmp_path / "sessions.db"
    plant(path)
    before = sql(path, "SELECT * FROM sqlite_master")
    run = Run(capsys, "doctor", url_of(path), "--json")
    found = {one["check"]: one for one in run.json["findings"]}
    assert found[check]["level"] == level
    assert word in found[check]["message"]
    assert found[check]["remedy"]
    assert run.code == (1 if level == "fail" else 0)
    assert sql(path, "SELECT * FROM sqlite_master") == before
    text = Run(capsys, "doctor", url_of(path))
    assert text.code == run.code
    assert word in text.out
    assert not any(token in text.out + run.out for token in (ACCESS, REFRESH, SEALED))


def test_a_healthy_storage_has_no_findings(tmp_path, capsys):
    path = tmp_path / "sessions.db"
    store(path, offline(), online())
    run = Run(capsys, "doctor", url_of(path), "--json")
    assert run.code == 0
    assert {one["level"] for one in run.json["findings"]} == {"ok"}
    assert run.json["numbers"]["sessions"] == 2


def test_a_storage_that_keeps_no_leases_is_told(capsys):
    run = Run(capsys, "doctor", "memory://", "--json")
    assert run.code == 0
    found = {one["check"]: one["level"] for one in run.json["findings"]}
    assert found["fencing"] == "warn"


def test_what_cannot_be_read_hides_nothing_else(capsys, monkeypatch):
    """Where shops are lists, the others of its shop cannot be looked up."""

    async def pages():
        yield SessionPage([offline(refresh_token_expires=None), offline("beta")], ["alpha_7"])

    async def find(storage, shop):
        if shop.startswith("alpha"):
            raise CorruptSessionError("session 'alpha_7' cannot be read", id="alpha_7")
        return [offline("beta")]

    monkeypatch.setattr(MemorySessionStorage, "scan_sessions", lambda storage: pages())
    monkeypatch.setattr(MemorySessionStorage, "find_sessions_by_shop", find)
    run = Run(capsys, "doctor", "memory://", "--json")
    found = {one["check"]: one for one in run.json["findings"]}
    assert (run.json["numbers"]["sessions"], run.json["numbers"]["corrupt"]) == (2, 1)
    assert "alpha_7" in found["corrupt"]["message"]
    assert found["refresh unknown"]["level"] == "warn"
    assert found["lists"]["message"].startswith("1 sessions were looked up")


def test_a_server_that_does_not_answer(capsys):
    run = Run(capsys, "doctor", "postgresql://user:pa55@127.0.0.1:1/app", "--json")
    assert run.code == 3
    (finding,) = run.json["findings"]
    assert (finding["check"], finding["level"]) == ("reach", "fail")
    assert "pa55" not in run.out + run.err


def test_a_file_that_is_no_database(tmp_path, capsys):
    path = tmp_path / "sessions.db"
    path.write_text("this is no database " * 100)
    assert Run(capsys, "doctor", url_of(path)).code == 3


def test_a_clock_that_is_wrong():
    assert clock_finding(4).level == clock_finding(-4).level == "ok"
    assert "6 s ahead of" in clock_finding(6).message
    assert "7 s behind" in clock_finding(-7).message


def test_after_the_deadline_what_never_expires_is_broken():
    def level(now):
        census = Census(now)
        census.add(SessionPage([offline(expires=None, refresh_token=None)]))
        return next(one.level for one in census.findings() if one.check == "deadline")

    assert level(DEADLINE - timedelta(days=1)) == "warn"
    assert level(DEADLINE + timedelta(days=1)) == "fail"


def test_doctor_makes_no_database(tmp_path, capsys):
    run = Run(capsys, "doctor", url_of(tmp_path / "no.db"))
    assert (run.code, run.out) == (3, "")
    assert "no such file" in run.err
    assert list(tmp_path.iterdir()) == []


def test_what_the_database_says_is_counted_by_it(tmp_path, capsys):
    """Many sessions: the ids of a few are named."""
    path = tmp_path / "sessions.db"
    store(path, *(offline(f"shop-{n}", refresh_token=None) for n in range(30)))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute(f"SELECT count(*) FROM {TABLE}").fetchone() == (30,)
    run = Run(capsys, "doctor", url_of(path), "--json")
    found = {one["check"]: one for one in run.json["findings"]}
    assert found["not refreshable"]["message"].startswith("30 offline")
    assert found["not refreshable"]["message"].count("offline_shop-") == 5
