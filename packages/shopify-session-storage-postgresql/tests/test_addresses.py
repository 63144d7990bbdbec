"""What a URL says is honoured, passed over or refused by name, and a password never shown."""

import traceback
from urllib.parse import urlencode, urlsplit, urlunsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servers.discovery import free_port
from shopify_session_storage import SessionStorageError, SessionStorageUnavailableError
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_postgresql import PostgreSQLSessionStorage, open_url

SECRET = "geheim"


def with_query(url: str, query: str) -> str:
    return urlunsplit(urlsplit(url)._replace(query=query))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "query",
    [
        "connect_timeout=10",
        "connect_timeout=0&application_name=shop",
        "keepalives=1&keepalives_idle=30&keepalives_interval=10&keepalives_count=5",
        "gssencmode=disable&channel_binding=prefer&tcp_user_timeout=30000",
        "sslmode=prefer&channel_binding=require&target_session_attrs=read-write",  # Neon
        "schema=public&connection_limit=5&pool_timeout=20&pgbouncer=true&socket_timeout=9",
        "pgbouncer=true&statement_cache_size=0&sslaccept=accept_invalid_certs",
        "supa=base-pooler.x&workaround=supabase-pooler.vercel&pgbouncer=true",
        "options=-c%20search_path%3Dpublic&client_encoding=utf8&fallback_application_name=x",
        "search_path=public&statement_timeout=5000",
        "ssl=false",
        "sslmode=disable&uselibpqcompat=true&load_balance_hosts=random&require_auth=scram-sha-256",
    ],
)
async def test_parameters_of_libpq_of_prisma_and_of_hosts_are_known(postgresql_url, query):
    url = with_query(postgresql_url, query)
    async with PostgreSQLSessionStorage(
        url, on_error="raise", session_table_name="by_url"
    ) as storage:
        session = offline_session("alpha.myshopify.com")
        await storage.store_session(session)
        assert session.equals(await storage.load_session(session.id))


@pytest.mark.asyncio
async def test_parameters_are_honoured(postgresql_url):
    query = urlencode(
        {
            "application_name": "my shop",
            "connection_limit": "3",
            "connect_timeout": "7",
            "statement_cache_size": "0",
            "search_path": "pg_temp, public",
            "statement_timeout": "1500",
        }
    )
    async with PostgreSQLSessionStorage(
        with_query(postgresql_url, query),
        session_table_name="by_url",
        pool_options={"server_settings": {"jit": "off"}},
    ) as storage:
        assert storage._lender.pool.get_max_size() == 3
        assert storage._pool_options["timeout"] == 7
        names = "application_name", "search_path", "statement_timeout", "jit"
        shown = ", ".join(f"current_setting('{name}')" for name in names)
        rows = await storage._fetch(f"SELECT {shown}", ())
        assert tuple(rows[0]) == ("my shop", "pg_temp, public", "1500ms", "off")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("conect_timeout=5", "conect_timeout"),
        ("sslmode=require&sslidentity=file", "sslidentity"),
        ("replication=database", "replication"),
        ("connect_timeout=soon", "connect_timeout"),
        ("connection_limit=many", "connection_limit"),
        ("sslmode=verify", "sslmode"),
        ("sslaccept=maybe", "sslaccept"),
        ("target_session_attrs=master", "target_session_attrs"),
        ("port=x", "port"),
        ("port=0", "port"),
    ],
)
def test_what_is_not_known_is_refused_by_name(query, name):
    for make in (PostgreSQLSessionStorage, open_url):
        with pytest.raises(ValueError, match=name) as caught:
            make(f"postgresql://user:{SECRET}@host/database?{query}")
        assert SECRET not in str(caught.value)
    if name == "conect_timeout":
        assert "connect_timeout" in str(caught.value)


def test_prisma_and_libpq_may_ask_for_certificates_that_the_system_trusts():
    for query in ("sslaccept=strict", "sslmode=verify-full&sslrootcert=system"):
        storage = PostgreSQLSessionStorage(f"postgresql://user@host/database?{query}")
        context = storage._pool_options["ssl"]
        assert context.check_hostname is True
        assert context.verify_mode.name == "CERT_REQUIRED"


# --- hosts ----------------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("attrs", ["primary", "read-write", "any", "prefer-standby"])
async def test_one_of_several_hosts_answers(postgresql_url, attrs):
    parts = urlsplit(postgresql_url)
    login, _, place = parts.netloc.rpartition("@")
    netloc = f"{login}@127.0.0.1:{free_port()},{place}"
    url = urlunsplit(parts._replace(netloc=netloc, query=f"target_session_attrs={attrs}"))
    async with PostgreSQLSessionStorage(
        url, on_error="raise", session_table_name="by_url"
    ) as storage:
        assert repr(storage).startswith("<PostgreSQLSessionStorage on 127.0.0.1,127.0.0.1/")
        session = offline_session("alpha.myshopify.com")
        await storage.store_session(session)
        assert session.equals(await storage.load_session(session.id))


@pytest.mark.asyncio
async def test_no_host_that_fits_is_a_failure_and_no_bug(postgresql_url):
    storage = PostgreSQLSessionStorage(
        with_query(postgresql_url, "target_session_attrs=standby"), on_error="raise"
    )
    with pytest.raises(SessionStorageUnavailableError, match=r"standby|attribute"):
        await storage.ready()


@pytest.mark.parametrize(
    "hosts", ["a:1,b:2", "a,b:5432", "[::1]:5432,[fe80::1]", "%2Frun%2Fpostgresql", "a:", ""]
)
def test_hosts_that_are_taken(hosts):
    assert PostgreSQLSessionStorage(f"postgresql://user:{SECRET}@{hosts}/database")


@pytest.mark.parametrize(
    "hosts", ["a:x", "a:0", "a:65536", "a,,b", "a:1,b:x", "[::1", "::1", "a:1:2"]
)
def test_hosts_that_are_refused(hosts):
    with pytest.raises(ValueError, match="host:port") as caught:
        PostgreSQLSessionStorage(f"postgresql://user:{SECRET}@{hosts}/database")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql+asyncpg", "postgresql+psycopg"])
def test_other_spellings_of_the_scheme(scheme):
    storage = PostgreSQLSessionStorage(f"{scheme}://user:{SECRET}@host/database")
    assert repr(storage) == "<PostgreSQLSessionStorage on host/database>"


# --- secrets --------------------------------------------------------------------------------------


def shown(error: BaseException) -> str:
    """Return what an error reporter shows of *error*."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    # Without the frame of the test, which has the secret itself.
    told.stack[:] = told.stack[1:]
    return f"{error} {error!r} {''.join(told.format())}"


@given(
    before=st.text(st.sampled_from("1aÄ?#/@:[]%&=;+ \\"), max_size=4),
    after=st.text(st.sampled_from("1aÄ?#/@:[]%&=;+ \\"), max_size=4),
)
@settings(deadline=None, max_examples=400)
def test_password_that_is_not_escaped_is_never_shown(before, after):
    url = f"postgresql://user:{before}{SECRET}{after}@127.0.0.1:1/db"
    try:
        told = repr(PostgreSQLSessionStorage(url))
    except ValueError as error:
        told = shown(error)
    assert SECRET not in told


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "password", ["1?geheim", "?geheim", "#geheim", "1/geheim", "a@geheim", "[geheim"]
)
async def test_password_that_is_not_escaped_fails_at_once_or_in_our_words(password):
    with pytest.raises(ValueError, match=r"escaped|malformed|postgresql://") as caught:
        PostgreSQLSessionStorage(f"postgresql://user:{password}@127.0.0.1:{free_port()}/db")
    assert SECRET not in shown(caught.value)


@pytest.mark.asyncio
async def test_failure_to_connect_shows_no_password():
    storage = PostgreSQLSessionStorage.with_credentials(
        "127.0.0.1", "db", "user", f"?#/{SECRET}", port=free_port(), on_error="raise"
    )
    with pytest.raises(SessionStorageError) as caught:
        await storage.load_session("id")
    chain = [caught.value, caught.value.__cause__]
    assert all(SECRET not in shown(error) for error in chain)
    with pytest.raises(TypeError) as wrong_option:
        PostgreSQLSessionStorage.with_credentials("h", "db", "user", SECRET, nonsense=1)
    assert SECRET not in shown(wrong_option.value)


@pytest.mark.asyncio
async def test_the_file_of_a_service_may_be_named(postgresql_url, tmp_path):
    file = tmp_path / "services"
    file.write_text("[shop]\napplication_name=of the service\n")
    url = with_query(postgresql_url, urlencode({"servicefile": str(file), "service": "shop"}))
    async with PostgreSQLSessionStorage(url, on_error="raise") as storage:
        assert await storage.find_sessions_by_shop("alpha.myshopify.com") == []


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"pool_options": 5}, TypeError),
        ({"pool_options": {"max_sise": 5}}, ValueError),
        ({"migrator_options": 5}, TypeError),
        ({"rewrite_large_tables": "no"}, TypeError),
    ],
)
def test_options_that_cannot_be_are_refused_at_once(options, error):
    with pytest.raises(error, match=next(iter(options)).split("_")[0]):
        PostgreSQLSessionStorage("postgresql://host/database", **options)
