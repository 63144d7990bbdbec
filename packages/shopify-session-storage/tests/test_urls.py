"""open_session_storage: storages by URL."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from shopify_session_storage import Session, open_session_storage
from shopify_session_storage_memory import MemorySessionStorage
from shopify_session_storage_sqlite import SQLiteSessionStorage

SESSION = Session(id="offline_s", shop="s", state="", is_online=False, access_token="token")


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: ())
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)


@pytest.mark.asyncio
@pytest.mark.parametrize("url", ["memory://", "MEMORY://"])
async def test_memory(url):
    async with open_session_storage(url) as storage:
        assert isinstance(storage, MemorySessionStorage)
        assert await storage.store_session(SESSION)
        assert await storage.load_session("offline_s") == SESSION


@pytest.mark.asyncio
async def test_sqlite_opens_its_file_on_first_use(tmp_path):
    file = tmp_path / "sessions.db"
    storage = open_session_storage(f"sqlite:///{file.as_posix()}", session_table_name="mine")
    assert isinstance(storage, SQLiteSessionStorage)
    assert not file.exists()
    async with storage:
        assert await storage.store_session(SESSION)
        assert file.exists()
        assert await storage.load_session("offline_s") == SESSION


def test_options_are_those_of_the_adapter():
    open_session_storage("memory://", on_error="raise")
    with pytest.raises(TypeError):
        open_session_storage("memory://", no_such_option=1)
    with pytest.raises(ValueError, match="on_error"):
        open_session_storage("memory://", on_error="ignore")


@pytest.mark.parametrize(
    ("scheme", "package"),
    [
        ("memory", "memory"),
        ("sqlite", "sqlite"),
        ("postgresql", "postgresql"),
        ("postgres", "postgresql"),
        ("PostgreSQL", "postgresql"),
        ("mysql", "mysql"),
        ("redis", "redis"),
        ("rediss", "redis"),
        ("redis+cluster", "redis"),
        ("mongodb", "mongodb"),
        ("mongodb+srv", "mongodb"),
        ("dynamodb", "dynamodb"),
        ("cloudflare-kv", "kv-style"),
    ],
)
@pytest.mark.usefixtures("nothing_installed")
def test_a_missing_adapter_is_named_with_the_package_to_install(scheme, package):
    with pytest.raises(ValueError, match=f"pip install shopify-session-storage-{package}$"):
        open_session_storage(f"{scheme}://user:password@host/database")


def test_an_unknown_scheme_is_named_with_what_is_installed():
    with pytest.raises(ValueError, match=r"^no adapter for oracle:// .*memory.*sqlite"):
        open_session_storage("oracle://user:password@host/database")


@pytest.mark.usefixtures("nothing_installed")
def test_an_unknown_scheme_without_any_adapter():
    with pytest.raises(ValueError, match=r"installed are: none$"):
        open_session_storage("oracle://host")


PASSWORD = "pa55-w0rd"


@given(st.from_regex(rf"\A[a-z+:/@?= ]{{0,15}}{PASSWORD}[a-z:/@?= ]{{0,15}}\Z"))
@example(f"oracle://user:{PASSWORD}@host/database")
@example(f"postgresql:user:{PASSWORD}@host/database")
@example(f"user:{PASSWORD}@host/database?next=https://host")
@example(f"//user:{PASSWORD}@host")
@example(f"memory://{PASSWORD}")
def test_no_message_shows_the_password(url):
    if url.partition("://")[0].endswith(PASSWORD) and "://" in url:
        return  # the whole scheme is the password, as far as anyone can tell
    with pytest.raises(ValueError, match=r"adapter|scheme|takes nothing") as caught:
        open_session_storage(url)
    assert PASSWORD not in f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"


@pytest.mark.parametrize("url", ["", "sessions.db", "sqlite:sessions.db", "://host", "/a://b"])
def test_a_url_begins_with_a_scheme(url):
    with pytest.raises(ValueError, match="begins with a scheme"):
        open_session_storage(url)


@pytest.mark.parametrize("url", [None, b"memory://", 1])
def test_a_url_is_a_str(url):
    with pytest.raises(TypeError):
        open_session_storage(url)


def test_third_parties_register_theirs_as_an_entry_point(tmp_path, monkeypatch):
    (tmp_path / "their_adapter.py").write_text(
        "def open_url(url, **options):\n    return url, options\n", "utf-8"
    )
    information = tmp_path / "their_adapter-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Name: their-adapter\nVersion: 1.0\n", "utf-8")
    (information / "entry_points.txt").write_text(
        "[shopify_session_storage.adapters]\ntheirs+tls = their_adapter:open_url\n", "utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    opened = open_session_storage("Theirs+TLS://host/Path?x=1", on_error="raise")
    assert opened == ("Theirs+TLS://host/Path?x=1", {"on_error": "raise"})
