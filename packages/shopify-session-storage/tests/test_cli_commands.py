"""``list``, ``show``, ``purge``, ``migrate``, ``reencrypt``, and what is wrong with arguments."""

import base64
from datetime import timedelta

import pytest
from shopify_session_storage import __version__

from .cli_runs import ACCESS, NOW, REFRESH, Run, load, offline, online, sql, store, url_of

GONE = NOW - timedelta(days=9)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "sessions.db"
    store(
        path,
        offline(),
        online(),
        offline("soon", refresh_token_expires=NOW + timedelta(days=3)),
        offline("gone", expires=GONE, refresh_token_expires=GONE),
        online("gone", expires=GONE),
        offline("never", expires=None, refresh_token=None, refresh_token_expires=None),
    )
    return path


def ids(run):
    return sorted(line["id"] for line in run.lines)


def test_all_are_listed_with_masked_tokens(path, capsys):
    run = Run(capsys, "list", url_of(path), "--json")
    assert run.code == 0
    assert len(run.lines) == 6
    assert {line["access_token"] for line in run.lines} == {"shpat_…cdef"}
    assert ACCESS not in run.out
    assert REFRESH not in run.out


def test_into_a_pipe_go_whole_values_with_tabs(path, capsys):
    run = Run(capsys, "list", url_of(path))
    rows = [line.split("\t") for line in run.out.splitlines()]
    assert len(rows) == 6
    assert {len(row) for row in rows} == {6}
    assert rows[0][0] == "alpha.myshopify.com_7"


@pytest.mark.parametrize("shop", ["alpha", "alpha.myshopify.com", "https://ALPHA.myshopify.com"])
def test_those_of_a_shop(shop, path, capsys):
    run = Run(capsys, "list", url_of(path), "--shop", shop, "--json")
    assert ids(run) == [online().id, offline().id]


def test_those_that_have_expired_and_those_that_will(path, capsys):
    run = Run(capsys, "list", url_of(path), "--expired", "--json")
    assert ids(run) == [online("gone").id, offline("gone").id]
    run = Run(capsys, "list", url_of(path), "--due", "14d", "--json")
    assert ids(run) == [online().id, offline("soon").id]


def test_what_cannot_be_read_is_listed_too(path, capsys):
    sql(path, "UPDATE shopify_sessions SET state = X'ff' WHERE shop LIKE 'never%'")
    run = Run(capsys, "list", url_of(path), "--json")
    assert run.code == 1
    assert {"id": offline("never").id, "corrupt": True} in run.lines
    of_its_shop = Run(capsys, "list", url_of(path), "--shop", "never")
    assert (of_its_shop.code, offline("never").id in of_its_shop.err) == (1, True)


@pytest.mark.parametrize("shop", ["", "a" * 256])
def test_a_shop_that_cannot_be_is_a_wrong_argument(shop, path, capsys):
    run = Run(capsys, "list", url_of(path), "--shop", shop)
    assert (run.code, "shop" in run.err) == (2, True)


def test_one_is_shown(path, capsys):
    run = Run(capsys, "show", url_of(path), online().id)
    assert run.code == 0
    assert "Zoë" in run.out
    assert "shpat_…cdef" in run.out
    assert Run(capsys, "show", url_of(path), "offline_nobody").code == 1
    assert Run(capsys, "show", url_of(path), "shop:x").code == 2


def test_tokens_are_revealed_to_nobody_but_a_terminal(path, capsys):
    run = Run(capsys, "show", url_of(path), offline().id, "--reveal")
    assert (run.code, run.out) == (2, "")


def test_control_characters_reach_no_terminal(tmp_path, capsys):
    path = tmp_path / "sessions.db"
    id = "offline_\x1b[31mred\x9b2J"
    store(path, offline(id=id, scope="a\rb\u202eb"))
    for words in (["list", url_of(path)], ["show", url_of(path), id], ["doctor", url_of(path)]):
        run = Run(capsys, *words)
        assert run.code == 0
        assert all(one.isprintable() or one in "\t\n" for one in run.out + run.err)


def test_what_is_dead_is_purged(path, capsys):
    run = Run(capsys, "purge", url_of(path), "--dry-run")
    assert (run.code, run.out) == (0, "6 examined, 1 would be deleted\n")
    run = Run(capsys, "purge", url_of(path), "--json")
    assert run.json == {"examined": 6, "deleted": 1, "dry_run": False}
    assert Run(capsys, "purge", url_of(path), "--offline", "--before", "2020-01-01").code == 0
    assert load(path, offline("gone").id) is not None
    assert Run(capsys, "purge", url_of(path), "--offline", "--before", "2d", "--json").json == {
        "examined": 5, "deleted": 1, "dry_run": False}  # fmt: skip
    assert load(path, offline("gone").id) is None


@pytest.mark.parametrize("before", ["tomorrow", "14x", "2026-13-01", "2999-01-01", ""])
def test_a_date_that_cannot_be(before, path, capsys):
    run = Run(capsys, "purge", url_of(path), "--before", before)
    assert run.code == 2


def test_the_sql_is_printed_and_nothing_changed(tmp_path, capsys):
    path = tmp_path / "sessions.db"
    sql(path, "CREATE TABLE other (id TEXT)")
    run = Run(capsys, "migrate", url_of(path), "--print")
    assert run.code == 0
    assert "CREATE TABLE" in run.out
    tables = "SELECT name FROM sqlite_master WHERE type = 'table'"
    assert sql(path, tables) == [[("other",)]]
    assert Run(capsys, "migrate", url_of(path)).code == 0
    assert len(sql(path, tables)[0]) > 1
    run = Run(capsys, "migrate", url_of(path), "--print")
    assert (run.code, run.out) == (0, "")
    assert "is up to date" in run.err
    assert Run(capsys, "migrate", "memory://", "--print").code == 2


def test_the_table_has_the_name_one_gives(tmp_path, capsys):
    path = tmp_path / "sessions.db"
    assert Run(capsys, "migrate", url_of(path), "--table", "mine").code == 0
    assert Run(capsys, "list", url_of(path), "--table", "mine").code == 0
    assert Run(capsys, "list", url_of(path)).code == 4
    assert Run(capsys, "list", "memory://", "--table", "mine").code == 2


def test_a_command_that_reads_creates_nothing(tmp_path, capsys):
    for words in (["list"], ["doctor"], ["purge", "--dry-run"], ["migrate", "--print"]):
        run = Run(capsys, *words, url_of(tmp_path / "no.db"))
        assert (run.code, "no such file" in run.err) == (3, True)
    assert list(tmp_path.iterdir()) == []


def test_tokens_are_sealed_with_the_keys_of_the_environment(path, capsys, monkeypatch):
    key = base64.b64encode(bytes(range(32))).decode()
    monkeypatch.setenv("MY_KEYS", f"2026:{key}")
    assert Run(capsys, "reencrypt", url_of(path)).code == 2
    run = Run(capsys, "reencrypt", url_of(path), "--keys-env", "MY_KEYS", "--json")
    assert (run.code, run.json["sealed"]) == (0, 6)
    assert load(path, offline().id).access_token.startswith("enc1.2026.")
    monkeypatch.setenv("MY_KEYS", f"2027:{key}")
    run = Run(capsys, "reencrypt", url_of(path), "--keys-env", "MY_KEYS")
    assert run.code == 1
    assert "6 cannot be read or decrypted" in run.err
    assert key not in run.out + run.err


def test_the_url_may_stand_in_the_environment(path, capsys, monkeypatch):
    monkeypatch.setenv("MY_URL", url_of(path))
    assert len(Run(capsys, "list", "--url-env", "MY_URL", "--json").lines) == 6
    assert len(Run(capsys, "list", "env:MY_URL", "--json").lines) == 6
    assert Run(capsys, "show", "--url-env", "MY_URL", offline().id).code == 0
    monkeypatch.setenv("MY_URL", "")
    assert "MY_URL is not set" in Run(capsys, "list", "--url-env", "MY_URL").err


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["list"],
        ["list", "--url-env", "NO_SUCH_VARIABLE"],
        ["list", "memory://", "--url-env", "A"],
        ["no-such-command", "memory://"],
        ["list", "no-such-scheme://user:pa55@host"],
        ["list", "user:pa55@host"],
        ["list", "postgresql://user:pa55@host:port/app"],
        ["list", "postgresql://user:pa55@host/app?no_such_parameter=1"],
        ["list", "memory://", "postgresql://user:pa55@host/app"],
        ["list", "--url-env", "postgresql://user:pa55@host/app"],
        ["list", "env:postgresql://user:pa55@host/app"],
        ["list", "memory://", "--due", "postgresql://user:pa55@host/app"],
        ["postgresql://user:pa55@host/app", "list"],
        ["show", "memory://", "postgresql://user:pa55@host/app"],
        ["copy", "memory://"],
        ["copy", "memory://", "memory://", "--on-conflict", "perhaps"],
        ["copy", "postgresql://user:pa55@127.0.0.1:1/a", "no-such-scheme://user:pa55@host"],
    ],
)
def test_arguments_that_cannot_be_are_told_without_a_secret(words, capsys):
    run = Run(capsys, *words)
    assert (run.code, run.out) == (2, "")
    assert run.err
    assert "pa55" not in run.err
    assert "Traceback" not in run.err


def test_the_version_can_be_asked_for(capsys):
    run = Run(capsys, "--version")
    assert (run.code, run.out) == (0, f"shopify-sessions {__version__}\n")


def test_the_help_says_what_the_exit_codes_mean(capsys):
    for words in (["--help"], ["copy", "--help"]):
        run = Run(capsys, *words)
        assert run.code == 0
        assert "exit codes:" in run.out
