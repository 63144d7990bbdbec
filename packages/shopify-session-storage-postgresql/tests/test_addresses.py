"""What a URL or an option says is honoured, passed over or refused by name."""

from urllib.parse import urlencode

import pytest
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_postgresql import PostgreSQLSessionStorage, open_url

from .conftest import with_query

SECRET = "geheim"


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


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("", ValueError),
        ("mysql://user:secret@host/database", ValueError),
        ("postgresql://user:secret@host:port/database", ValueError),
        ("postgresql://user:secret@[host/database", ValueError),
        (None, TypeError),
        (b"postgresql://host", TypeError),
    ],
)
def test_unusable_urls_are_refused_without_showing_them(url, error):
    with pytest.raises(error) as caught:
        PostgreSQLSessionStorage(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ['quo"te', "quo'te", "", "nul\0", "x" * 64, "é" * 32])
def test_unusable_names_are_refused(name):
    for option in ("session_table_name", "schema"):
        with pytest.raises(ValueError, match=option):
            PostgreSQLSessionStorage("postgresql://host/database", **{option: name})
