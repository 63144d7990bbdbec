"""The demo: what it prints, what it stores, and the page it serves."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import environment
import httpx
import jwt
import pytest
import pytest_asyncio
from demo_app.app import create_app
from demo_app.page import render
from demo_app.shopify import Credentials, SimulatedShopify
from demo_app.story import ADA, BOOKS, MINA, TEAS
from demo_app.words import mask, when
from shopify_app import IdTokenDetails, ShopifyApp
from shopify_session_storage import (
    AssociatedUser,
    OnlineAccessInfo,
    Session,
    open_session_storage,
)

DEMO = environment.ROOT / "tools" / "demo.py"
PAGE = re.compile(r"The sessions are shown at (http://127\.0\.0\.1:\d+/)")
# A token of Shopify's, the app's secret, or an ID token.
SECRET = re.compile(r"shp[a-z]{2,3}_[0-9a-f]{5,}|eyJ[\w-]{10,}")
TABLE = [
    r"demo-teas +\(the shop\) +shpat_…[0-9a-f]{4} +in 59 minutes +shprt_…[0-9a-f]{4}",
    r"demo-teas +Ada Osei +shpua_…[0-9a-f]{4} +in 23 hours +-",
    r"demo-teas +Zoë Lindqvist +shpua_…[0-9a-f]{4} +in 23 hours +-",
    r"demo-books +\(the shop\) +shpat_…[0-9a-f]{4} +in 59 minutes +shprt_…[0-9a-f]{4}",
    r"demo-books +Mina Hadid +shpua_…[0-9a-f]{4} +in 23 hours +-",
    r"demo-granary +\(the shop\) +shpat_…[0-9a-f]{4} +never +-",
    r"demo-granary +Rosa Quint +shpua_…[0-9a-f]{4} +in 23 hours +-",
]


def command(*arguments):
    return [sys.executable, str(DEMO), *arguments]


def settings(**more):
    return {
        "encoding": "utf-8",
        "env": {**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONWARNINGS": "error", **more},
    }


def run(*arguments, status=0, **environment):
    done = subprocess.run(
        command(*arguments), capture_output=True, timeout=120, **settings(**environment)
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert not SECRET.search(done.stdout + done.stderr)
    return done


def stored_tokens(path):
    with closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        rows = database.execute("SELECT * FROM shopify_sessions").fetchall()
    tokens = {row[name] for row in rows for name in ("accessToken", "refreshToken")}
    return len(rows), {token for token in tokens if token}


def test_tells_its_story_and_keeps_tokens_to_itself(tmp_path):
    path = tmp_path / "sessions.db"
    done = run("--storage", f"sqlite:///{path.as_posix()}")
    assert done.stderr == ""
    assert "\x1b" not in done.stdout  # not a terminal
    for step in range(1, 6):
        assert f"\n{step}. " in done.stdout
    for line in TABLE:
        assert re.search(rf"^  {line}$", done.stdout, re.MULTILINE), line
    assert "demo-ferns" not in done.stdout.partition("Stored now")[2]

    count, tokens = stored_tokens(path)
    assert count == 7
    assert len(tokens) == 9  # two shops have refresh tokens
    assert not [token for token in tokens if token in done.stdout]
    for token in tokens:
        assert mask(token) in done.stdout


def test_runs_in_a_temporary_file_by_default():
    done = run()
    path = re.search(r"SQLiteSessionStorage, (.+)\n", done.stdout)[1]
    assert path.endswith("sessions.db")
    assert not os.path.exists(path)  # noqa: PTH110


def test_runs_on_other_storages():
    assert "MemorySessionStorage" in run("--storage", "memory://").stdout


def test_runs_again_on_the_same_database(tmp_path):
    url = f"sqlite:///{(tmp_path / 'sessions.db').as_posix()}"
    first, second = run("--storage", url), run("--storage", url)
    assert "Used before" not in first.stdout
    assert "Used before: removed 7 sessions" in second.stdout
    assert stored_tokens(tmp_path / "sessions.db")[0] == 7


@pytest.mark.parametrize(
    ("url", "status", "message"),
    [
        ("nonsense://", 2, "no adapter for nonsense:// is installed"),
        ("sqlite:////no/such/folder/x.db", 1, "The demo failed: sqlite: "),
    ],
)
def test_says_why_it_fails(url, status, message):
    assert message in run("--storage", url, status=status).stderr


@contextmanager
def serving(*arguments):
    """Give the running demo, all it printed so far, and the URL of its page."""
    with subprocess.Popen(
        command("--serve", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **settings(),
    ) as process:
        try:
            printed = ""
            for line in process.stdout:
                printed += line
                if shown := re.search(
                    r"The sessions are shown at (http://127\.0\.0\.1:\d+/)", line
                ):
                    break
            else:
                pytest.fail(f"the demo ended:\n{printed}")
            yield process, printed, shown[1]
        finally:
            process.kill()


@pytest.mark.skipif(os.name != "posix", reason="sends signals as a terminal does")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_serves_a_page_until_stopped(tmp_path, how):
    path = tmp_path / "sessions.db"
    with serving("--storage", f"sqlite:///{path.as_posix()}") as (process, printed, url):
        page = httpx.get(url)
        assert page.status_code == 200
        assert page.headers["cache-control"] == "no-store"
        for shop in ("demo-teas", "demo-books", "demo-granary", "demo-ferns"):
            assert f"<h2>{shop}.myshopify.com</h2>" in page.text
        for text in (
            "Zoë Lindqvist",
            "zoe@demo-teas.example",
            "expires in 59 minutes",
            "never expires",
            "read_inventory",
            "Nothing is stored for this shop.",
        ):
            assert text in page.text
        tokens = stored_tokens(path)[1]
        assert not SECRET.search(page.text)
        assert not [token for token in tokens if token in page.text]
        assert mask(min(tokens)) in page.text

        process.send_signal(how)
        output = printed + process.stdout.read()
        assert process.wait(timeout=30) == 0, output
        assert output.endswith("Stopped.\n")
        assert not SECRET.search(output)
        with pytest.raises(httpx.ConnectError):
            httpx.get(url)


def test_buttons_let_things_happen(tmp_path):
    url = f"sqlite:///{(tmp_path / 'sessions.db').as_posix()}"
    with serving("--storage", url) as (_, _, page), httpx.Client(base_url=page) as browser:
        own = {"Origin": page.rstrip("/")}

        def press(action, shop, headers):
            return browser.post(f"/demo/{action}/{shop}", headers=headers, follow_redirects=True)

        def told(action, shop):
            answer = press(action, shop, own)
            assert answer.status_code == 200
            assert not SECRET.search(answer.text)
            return answer.text.partition("<pre>")[2].partition("\n\n")[0]

        assert "has expired" in told("expire", "demo-teas")
        assert "refresh: shpat_" in told("visit", "demo-teas")
        assert "refresh: shpat_" in told("refresh", "demo-books")
        assert "a merchant has to open the app" in told("refresh", "demo-granary")
        assert "200 OK" in told("uninstall", "demo-books")
        assert "There is no token" in told("expire", "demo-books")
        assert "exchange for offline" in told("visit", "demo-books")

        evil = {"Origin": "https://evil.example"}
        assert press("visit", "demo-teas", evil).status_code == 403
        assert press("visit", "demo-teas", {}).status_code == 403
        assert press("visit", "no-such-shop", own).status_code == 404


@pytest.mark.skipif(os.name != "posix", reason="sends signals as a terminal does")
def test_a_port_in_use_is_an_error():
    with serving() as (process, _, url):
        port = url.rpartition(":")[2].strip("/")
        assert "address already in use" in run("--port", port, status=1).stderr.lower()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0


def test_page_escapes_every_value():
    evil = "<script>alert('x')</script>"
    session = Session(
        id=evil,
        shop=evil,
        state=evil,
        is_online=True,
        scope=f"{evil},read_orders",
        expires=datetime.now(UTC) - timedelta(hours=2, seconds=5),
        access_token=f"{evil}_{evil}<b>",
        online_access_info=OnlineAccessInfo(
            AssociatedUser(id=1, first_name=evil, last_name=evil, email=evil)
        ),
    )
    page = render({evil: [session]}, evil, evil)
    assert "<script" not in page
    assert "<b>" not in page
    assert page.count("&lt;script&gt;alert") >= 7
    assert "expired 2 hours ago" in page


def test_words():
    now = datetime.now(UTC)
    assert mask("shpat_0123456789abcdef") == "shpat_…cdef"
    assert mask("0123456789abcdef") == "…cdef"
    assert mask("short") == mask("shpat_short").removeprefix("shpat_") == "…"
    assert mask(None) == mask("") == "-"
    assert when(None) == "never"
    assert when(now + timedelta(minutes=60)) == "in 59 minutes"
    assert when(now + timedelta(days=90)) == "in 89 days"
    assert when(now + timedelta(seconds=61)) == "in 1 minute"
    assert when(now - timedelta(days=1, seconds=1)) == "expired 1 day ago"


CREDENTIALS = Credentials("an-id", "a-secret-that-is-long-enough-for-hs256")


@pytest_asyncio.fixture
async def shopify():
    simulated = SimulatedShopify(CREDENTIALS, [TEAS, BOOKS], lambda line: None)
    async with httpx.AsyncClient(transport=simulated) as client:
        yield simulated, ShopifyApp("an-id", CREDENTIALS.client_secret), client


@pytest.mark.asyncio
@pytest.mark.parametrize("refresh_expired", [False, True])
async def test_dead_refresh_token_is_replaced_by_an_exchange(shopify, refresh_expired):
    simulated, app, client = shopify
    past = datetime.now(UTC) - timedelta(minutes=1)
    dead = Session(
        id="offline_demo-teas.myshopify.com",
        shop=TEAS.domain,
        state="",
        is_online=False,
        expires=past,
        access_token="old",
        refresh_token="revoked",
        refresh_token_expires=past if refresh_expired else past + timedelta(days=1),
    )
    async with open_session_storage("memory://", on_error="raise") as storage:
        await storage.store_session(dead)
        transport = httpx.ASGITransport(create_app(app, storage, client))
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as merchant:
            token = CREDENTIALS.id_token(TEAS, ADA)
            response = await merchant.get("/api/me", headers={"Authorization": f"Bearer {token}"})
        assert response.status_code == 200
        new = await storage.load_session(dead.id)
    assert new.access_token in simulated.issued
    # Whether a refresh token has expired is for Shopify to say: the local clock may be wrong.
    assert simulated.answers == {"offline": 1, "online": 1, "refused": 1}


@pytest.mark.asyncio
async def test_simulated_endpoint_refuses_what_shopify_refuses(shopify):
    simulated, app, client = shopify

    async def exchange(shop, user, app=app, **options):
        token = CREDENTIALS.id_token(shop, user, **options)
        claims = jwt.decode(token, options={"verify_signature": False})
        details = IdTokenDetails(exchangeable=True, token=token, claims=claims)
        result = await app.exchange_using_token_exchange_async(
            "offline", details, http_client=client
        )
        return result.log.code, result.access_token

    assert (await exchange(TEAS, ADA))[0] == "success"
    assert (await exchange(TEAS, ADA, lifetime=-1))[0] == "invalid_subject_token"
    assert (await exchange(TEAS, MINA))[0] == "invalid_subject_token"  # works elsewhere
    stranger = ShopifyApp("an-id", "another-secret")
    assert (await exchange(TEAS, ADA, app=stranger))[0] == "invalid_client"
    assert simulated.answers == {"offline": 1, "refused": 3}


@pytest.mark.asyncio
async def test_simulated_refresh_tokens_rotate(shopify):
    simulated, app, client = shopify
    simulated.next_offline_seconds["demo-books"] = 1

    async def refresh(refresh_token):
        token = {"shop": "demo-books", "refresh_token": refresh_token, "access_mode": "offline"}
        result = await app.refresh_token_exchanged_access_token_async(token, http_client=client)
        return result.access_token.refresh_token if result.ok else result.log.code

    token = CREDENTIALS.id_token(BOOKS, MINA)
    claims = jwt.decode(token, options={"verify_signature": False})
    details = IdTokenDetails(exchangeable=True, token=token, claims=claims)
    result = await app.exchange_using_token_exchange_async("offline", details, http_client=client)
    first = result.access_token.refresh_token
    lost = await refresh(first)
    second = await refresh(first)  # a retry, since the answer was lost
    assert len({first, lost, second}) == 3
    assert (await refresh(second)).startswith("shprt_")
    assert await refresh(first) == "invalid_grant"  # its successor was used
    await app.exchange_using_token_exchange_async("offline", details, http_client=client)
    assert await refresh(second) == "invalid_grant"  # a new exchange ends all earlier ones
