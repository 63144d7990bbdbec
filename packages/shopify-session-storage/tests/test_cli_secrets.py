"""No token and no password in anything that the command writes, whatever happens."""

import base64
import json

import pytest
from shopify_session_storage.cli.copying.pages import PageCopier

from .cli_runs import ACCESS, REFRESH, Run, offline, online, sql, store, url_of

OTHER = "0123456789abcdef" * 2  # a token of an old private app has no prefix
SHORT = "shpat_1"
KEY = base64.b64encode(b"k" * 32).decode()
SECRETS = (ACCESS, REFRESH, OTHER, SHORT, KEY, "pa55word")


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHOPIFY_SESSION_KEYS", f"2026:{KEY}")
    path = tmp_path / "sessions.db"
    store(
        path,
        offline(),
        online(),
        offline("old", access_token=OTHER, expires=None, refresh_token=None),
        offline("short", access_token=SHORT),
        offline("corrupt"),
        *(offline(f"shop-{n}") for n in range(5)),
    )
    sql(path, "UPDATE shopify_sessions SET state = X'ff' WHERE shop LIKE 'corrupt%'")
    return path


def check(tmp_path, *texts):
    files = [path.read_text() for path in tmp_path.iterdir() if path.suffix not in (".db", ".bin")]
    texts = [*texts, *(text for text in files if not text.startswith("SQLite"))]
    assert [secret for secret in SECRETS for text in texts if secret in text] == []


@pytest.mark.parametrize("form", [["-v"], ["--json", "-v"]])
@pytest.mark.parametrize(
    "words",
    [
        ["list", "URL"],
        ["list", "URL", "--shop", "short"],
        ["show", "URL", "offline_alpha.myshopify.com"],
        ["show", "URL", "offline_short.myshopify.com"],
        ["show", "URL", "offline_corrupt.myshopify.com"],
        ["show", "URL", "offline_alpha.myshopify.com", "--reveal"],
        ["copy", "URL", "sqlite:///new.db", "--resume", "state"],
        ["copy", "URL", "sqlite:///new.db", "--dry-run"],
        ["copy", "URL", "postgresql://user:pa55word@127.0.0.1:1/app"],
        ["copy", "postgresql://user:pa55word@127.0.0.1:1/app", "URL"],
        ["purge", "URL", "--offline"],
        ["migrate", "URL"],
        ["doctor", "URL"],
        ["doctor", "redis://user:pa55word@127.0.0.1:1/0"],
        ["doctor", "mysql://user:pa55word@127.0.0.1:1/app"],
        ["reencrypt", "URL"],
    ],
)
def test_no_command_writes_a_secret(words, form, path, tmp_path, capsys):
    words = [url_of(path) if word == "URL" else word for word in words]
    run = Run(capsys, *words, *form)
    assert run.code in (0, 1, 2, 3)
    assert run.out + run.err
    check(tmp_path, run.out, run.err)


@pytest.mark.parametrize("error", [RuntimeError, ValueError, OSError, ExceptionGroup])
def test_a_bug_is_told_without_its_message(error, path, tmp_path, capsys, monkeypatch):
    async def fails(self, page, counts):
        counts.failed(["an-id"], "a reason")
        raise error(ACCESS, [ValueError(REFRESH)]) if error is ExceptionGroup else error(ACCESS)

    monkeypatch.setattr(PageCopier, "copy", fails)
    run = Run(capsys, "copy", url_of(path), "sqlite:///new.db", "-v", "--resume", "state")
    assert run.code == 70
    assert error.__name__ in run.err
    assert json.loads((tmp_path / "state").read_text())["version"] == 1
    check(tmp_path, run.out, run.err)


def test_sealed_tokens_are_copied_sealed(path, tmp_path, capsys):
    Run(capsys, "reencrypt", url_of(path))
    run = Run(capsys, "copy", url_of(path), "sqlite:///new.db")
    assert run.code == 1  # for the corrupt one
    query = "SELECT accessToken FROM shopify_sessions WHERE shop NOT LIKE 'corrupt%' ORDER BY id"
    assert sql(path, query) == sql(tmp_path / "new.db", query)
    assert ACCESS.encode() not in (tmp_path / "new.db").read_bytes()
