"""TLS is as the URL says."""

import ssl
import tempfile
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme
from servers import postgresql
from shopify_session_storage import SessionStorageUnavailableError
from shopify_session_storage_postgresql import PostgreSQLSessionStorage


@contextmanager
def tls_server(authority: trustme.CA):
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        certificate = authority.issue_cert("localhost")
        certificate.private_key_pem.write_to_path(directory / "server.key")
        certificate.cert_chain_pems[0].write_to_path(directory / "server.crt")
        (directory / "server.key").chmod(0o600)
        with postgresql.local(
            directory,
            "ssl=on",
            f"ssl_cert_file={directory / 'server.crt'}",
            f"ssl_key_file={directory / 'server.key'}",
        ) as url:
            yield url


@pytest.mark.asyncio
async def test_tls_is_as_the_url_says(tmp_path, postgresql_url):
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    stranger.cert_pem.write_to_path(tmp_path / "stranger.pem")
    with tls_server(authority) as url:

        async def connects(host: str, parameters: str) -> bool:
            """Tell whether the connection is encrypted."""
            address = url.replace("127.0.0.1", host)
            async with PostgreSQLSessionStorage(f"{address}?{parameters}") as storage:
                rows = await storage._fetch(
                    "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", ()
                )
                return rows[0][0]

        assert await connects("127.0.0.1", "sslmode=disable") is False
        assert await connects("127.0.0.1", "sslmode=require") is True
        trusted = f"sslrootcert={tmp_path / 'ca.pem'}"
        assert await connects("localhost", f"sslmode=verify-full&{trusted}") is True
        assert await connects("127.0.0.1", f"sslmode=verify-ca&{trusted}&schema=s") is True
        with pytest.raises(SessionStorageUnavailableError) as wrong_host:
            await connects("127.0.0.1", f"sslmode=verify-full&{trusted}")
        assert isinstance(wrong_host.value.__cause__, ssl.SSLCertVerificationError)
        with pytest.raises(SessionStorageUnavailableError) as wrong_authority:
            await connects("localhost", f"sslmode=verify-ca&sslrootcert={tmp_path}/stranger.pem")
        assert isinstance(wrong_authority.value.__cause__, ssl.SSLError)

    if urlsplit(postgresql_url).hostname == "127.0.0.1":  # our own server, which has no TLS
        with pytest.raises(SessionStorageUnavailableError):
            await PostgreSQLSessionStorage(f"{postgresql_url}?sslmode=require").ready()
