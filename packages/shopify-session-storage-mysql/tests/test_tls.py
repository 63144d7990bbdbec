"""TLS is as the URL says."""

import asyncio
import ssl
import tempfile
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme
from servers import mysql
from shopify_session_storage import (
    SessionStorageUnavailableError,
)
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_mysql import MySQLSessionStorage

from .conftest import (
    SHOP,
)


@contextmanager
def tls_server(authority: trustme.CA):
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        certificate = authority.issue_cert("localhost")
        certificate.private_key_pem.write_to_path(directory / "server.key")
        certificate.cert_chain_pems[0].write_to_path(directory / "server.crt")
        authority.cert_pem.write_to_path(directory / "ca.crt")
        with mysql.local(
            directory,
            f"ssl-cert={directory / 'server.crt'}",
            f"ssl-key={directory / 'server.key'}",
            f"ssl-ca={directory / 'ca.crt'}",
        ) as url:
            yield url


@pytest.mark.asyncio
async def test_tls_is_as_the_url_says(tmp_path, mysql_url):
    authority, stranger = trustme.CA(), trustme.CA()
    ca = tmp_path / "ca & more.pem"
    authority.cert_pem.write_to_path(ca)
    stranger.cert_pem.write_to_path(tmp_path / "stranger.pem")
    client = authority.issue_cert("client")
    client.private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    with tls_server(authority) as url:

        async def connects(host: str, parameters: str, **options: object) -> bool:
            """Tell whether the connection is encrypted."""
            address = url.replace("127.0.0.1", host)
            async with MySQLSessionStorage(f"{address}?{parameters}", **options) as storage:
                rows = await storage._fetch("SHOW STATUS LIKE 'Ssl_cipher'", ())
                session = offline_session(SHOP)
                await storage.store_session(session)
                assert session.equals(await storage.load_session(session.id))
                return rows[0][1] != ""

        assert await connects("127.0.0.1", "") is True
        assert await connects("127.0.0.1", "ssl-mode=DISABLED") is False
        assert await connects("127.0.0.1", "ssl_mode=preferred") is True
        assert await connects("127.0.0.1", "sslMode=REQUIRED&charset=utf8mb4") is True
        trusted = f"ssl-ca={str(ca).replace('&', '%26').replace(' ', '%20')}"
        assert await connects("localhost", f"ssl-mode=VERIFY_IDENTITY&{trusted}") is True
        assert await connects("localhost", f"ssl-mode=verify-ca&{trusted}") is True
        assert await connects("127.0.0.1", trusted) is True
        context = ssl.create_default_context(cafile=ca)
        assert await connects("localhost", "", pool_options={"ssl": context}) is True
        assert await connects("localhost", "", pool_options={"ssl": None}) is False
        for host, parameters in (
            ("127.0.0.1", f"ssl-mode=VERIFY_IDENTITY&{trusted}"),
            ("localhost", f"ssl-mode=VERIFY_CA&ssl-ca={tmp_path}/stranger.pem"),
            ("localhost", "ssl-mode=VERIFY_CA"),
        ):
            with pytest.raises(
                SessionStorageUnavailableError, match="CERTIFICATE_VERIFY"
            ) as caught:
                await connects(host, parameters)
            assert isinstance(caught.value.__cause__.__cause__, ssl.SSLCertVerificationError)
        with pytest.raises(SessionStorageUnavailableError, match="FileNotFoundError"):
            await connects("localhost", "ssl-ca=/no/such/file")

        async with MySQLSessionStorage(url) as storage:
            await storage._fetch("CREATE USER certified IDENTIFIED BY 'c' REQUIRE X509", ())
            await storage._fetch("GRANT ALL ON *.* TO certified", ())
        certified = url.replace(urlsplit(url).netloc.rpartition("@")[0], "certified:c")
        async with MySQLSessionStorage(f"{certified}?ssl-cert={tmp_path}/client.pem") as storage:
            assert await storage.is_ready()
        assert await MySQLSessionStorage(certified).is_ready() is False


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "mode", ["PREFERRED", "DISABLED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY", "option"]
)
async def test_password_is_not_sent_to_a_server_without_tls(mode):
    class Listener(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport
            # The greeting of a server that offers no TLS and asks for the password in the clear.
            body = (
                b"\x0a8.0.0\0\1\0\0\0abcdefgh\0" + (0xF7FF).to_bytes(2, "little") + b"\x2d\2\0"
                + (0x0008).to_bytes(2, "little") + b"\x15" + bytes(10) + b"ijklmnopqrst\0"
                + b"mysql_clear_password\0"
            )  # fmt: skip
            transport.write(len(body).to_bytes(3, "little") + b"\0" + body)

        def data_received(self, data):
            received.append(data)
            self.transport.close()

    received: list[bytes] = []
    server = await asyncio.get_running_loop().create_server(Listener, "127.0.0.1", 0)
    url = f"mysql://user:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}/database"
    storage = (
        MySQLSessionStorage(url, pool_options={"ssl": ssl.create_default_context()})
        if mode == "option"
        else MySQLSessionStorage(f"{url}?ssl-mode={mode}")
    )
    with pytest.raises(SessionStorageUnavailableError, match=r"TLS is required|there is no TLS"):
        await storage.ready()
    server.close()
    assert received == []
