"""One host or several: the one that fits is used, and what is no host is refused."""

from urllib.parse import urlsplit, urlunsplit

import pytest
from servers.discovery import free_port
from shopify_session_storage import SessionStorageUnavailableError
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_postgresql import PostgreSQLSessionStorage

from .conftest import with_query

SECRET = "geheim"


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
